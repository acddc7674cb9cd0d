# Opens JupyterLab on the first notebook: sh tools/lab.sh PORT [further arguments]

set -eu
port=$1
shift
if .venv/bin/python -c 'import socket, sys; socket.create_connection(("localhost", int(sys.argv[1])), 1)' "$port" 2>/dev/null; then
    echo "Port $port is in use, perhaps by another JupyterLab. The next free port is used:" >&2
    echo "follow the address below. To choose a port: make lab PORT=9000" >&2
fi
mkdir -p .venv/etc/ipython
cp tools/lab/ipython_kernel_config.py .venv/etc/ipython/
root=
[ "$(id -u)" -ne 0 ] || root=--allow-root
exec .venv/bin/python -m jupyterlab --ServerApp.root_dir="$PWD" \
    --LabApp.app_settings_dir="$PWD/tools/lab" \
    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb --port="$port" $root "$@"
