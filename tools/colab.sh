# Makes .venv with Colab's versions of all packages and installs the course as its first cell does:
# sh tools/colab.sh [python3.12]. CPU can name an index with PyTorch for the CPU only. Fails if pip would replace one of Colab's packages.

set -eu
"${1:-python3}" -m venv .venv
pip=".venv/bin/python -m pip --disable-pip-version-check"
$pip install -q ${CPU:+--extra-index-url "$CPU"} -r tests/colab.txt
$pip install -q --dry-run --report .venv/report.json .
.venv/bin/python tools/colab.py check .venv/report.json
$pip install -q .
