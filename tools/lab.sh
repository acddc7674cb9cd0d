# Opens JupyterLab on the first notebook: sh tools/lab.sh PORT [further arguments]

set -eu
port=$1
shift
if .venv/bin/python -c 'import socket, sys; socket.create_connection(("localhost", int(sys.argv[1])), 1)' "$port" 2>/dev/null; then
    echo "Port $port is in use, perhaps by another JupyterLab. The next free port is used:" >&2
    echo "follow the address below. To choose a port: make lab PORT=9000" >&2
fi
root=
[ "$(id -u)" -ne 0 ] || root=--allow-root
exec .venv/bin/python -m jupyterlab --ServerApp.root_dir="$PWD" \
    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb --port="$port" $root "$@"
