# Builds the course's website into site/_build/html: sh tools/site.sh [test [pytest's arguments]]
#
# With "test", its tests are run, too; they need Chromium.
# Nothing is executed: the pages show the outputs that the solved notebooks have saved. Python and Node
# are needed, PyTorch is not.

set -eu
command=${1:-}
[ $# = 0 ] || shift
cd "$(dirname "$0")/.."
venv=.venv-site

say() { printf '%s\n' "$*" >&2; }

command -v npm >/dev/null || {
    say "The site was not built: Node.js is missing, which brings MathJax."
    say "Install it (nodejs.org, or your system's packages nodejs and npm). Then: make site"
    exit 1
}
key=$(cat site/requirements*.txt site/package-lock.json | cksum)
if [ "$(cat $venv/.ready 2>/dev/null)" != "$key" ]; then
    say "Installing the site's generator (the first time about a minute) ..."
    rm -rf $venv
    "${PYTHON:-python3}" -m venv $venv
    $venv/bin/python -m pip install --quiet --disable-pip-version-check -r site/requirements.txt \
        -r site/requirements-test.txt
    (cd site && npm ci --silent)
    printf '%s' "$key" >$venv/.ready
fi
$venv/bin/python site/prepare.py
rm -rf site/_build/html
$venv/bin/python -m sphinx -q -W --keep-going -j auto -c site -d site/_build/doctrees -b html site/_build/source site/_build/html
# what the themes leave there and no page uses
rm -rf site/_build/html/_sources site/_build/html/.doctrees
find site/_build/html/_static -name '*.map' -o -name '*macros.html' | xargs rm -f
if [ "$command" = test ]; then
    (cd site && npm run --silent types)
    cd site/tests
    exec ../../$venv/bin/python -m pytest -n auto --maxprocesses 8 --dist worksteal "$@"
fi
say "The site is in site/_build/html. To look at it: python3 -m http.server -d site/_build/html"
