#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the autograder's image.
set -euo pipefail
chmod -R go-rwx /autograder/source # the seed of the random inputs is in it
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y python3 python3-venv
apt-get install -y bubblewrap || echo "No bubblewrap: submissions run as a separate user."
python3 -m venv /opt/gancourse
install="/opt/gancourse/bin/python -m pip install --no-cache-dir"
$install --index-url https://download.pytorch.org/whl/cpu torch torchvision # without CUDA
$install ipython /autograder/source/*.whl
chmod -R go+rX /opt/gancourse # the users that submissions run as read it too
