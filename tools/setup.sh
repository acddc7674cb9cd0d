# Makes .venv and installs the course with one of its extras: sh tools/setup.sh lab|test
#
# A stamp in .venv records what is installed: the checksum of pyproject.toml and the Python version. It
# is written last. Until then .venv contains a mark, so that the next call recognises an interrupted
# set-up and starts it again.

set -u
extra=$1
venv=.venv
stamp=$venv/.ready-$extra
mark=$venv/.unfinished
log=$venv/pip.log

say() { printf '%s\n' "$*" >&2; }

fail() { # what happened, why, what to do
    printf '\n%s\n%s\n%s\n' "$1" "$2" "$3" >&2
    exit 1
}

version() { "$1" -V 2>/dev/null || true; }

supported() {
    case $(version "$1") in
        "Python 3.1"[0-4].*) return 0 ;;
    esac
    return 1
}

choose() { # sets $python
    if [ -n "${PYTHON:-}" ]; then
        supported "$PYTHON" && python=$PYTHON && return
        found=$(version "$PYTHON")
        fail "PYTHON=$PYTHON can't be used." "It is ${found:-not a Python that runs}; the course needs Python 3.10 to 3.14." \
            "Name another one, for instance: PYTHON=python3.12 make $extra"
    fi
    seen=
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        supported "$python" && return
        found=$(version "$python")
        seen="$seen${found:+ $python is $found.}"
    done
    fail "No Python was found that the course can use." "It needs Python 3.10 to 3.14.${seen:- There is none on PATH.}" \
        "Install one (python.org, your system's packages, or conda: see README.md), or name it: PYTHON=/path/to/python make $extra"
}

leave_mark() {
    ( : >$mark ) 2>/dev/null || fail "Nothing can be written into $venv." "The disk is full, or this folder is read-only." \
        "Free some space, or move the course to a folder that you may write to. Then: make $extra"
}

key() { printf '%s %s' "$(cksum <pyproject.toml)" "$(version $venv/bin/python)"; }

# Nothing to do? Not if .venv has another Python than the one asked for.
if [ -n "${PYTHON:-}" ] && [ -d $venv ] && [ "$(version "$PYTHON")" != "$(version $venv/bin/python)" ]; then
    choose
    say "Creating .venv again, with $(version "$python")."
    rm -rf $venv
fi
for done in "$stamp" $venv/.ready-test; do # the extra "test" holds all of "lab"
    if [ ! -e $mark ] && [ -f "$done" ] && [ "$(cat "$done")" = "$(key)" ]; then
        exit 0
    fi
done

# An unfinished .venv, or one whose Python is gone or was replaced, is created again.
if [ -d $venv ]; then
    made_with=$(cat $venv/.python 2>/dev/null)
    now=$(version $venv/bin/python)
    if [ -e $mark ]; then
        say "The last set-up was not finished. Creating .venv again."
        rm -rf $venv
    elif [ "${made_with:-$now}" != "$now" ] || ! supported $venv/bin/python; then
        say "The Python of .venv is gone or was replaced. Creating .venv again."
        rm -rf $venv
    fi
fi

if [ ! -d $venv ]; then
    choose
    "$python" -m ensurepip --version >/dev/null 2>&1 ||
        fail "$python can't create virtual environments." "Its module venv or ensurepip is missing; some systems package them separately." \
            "Debian, Ubuntu: sudo apt install python3-venv. Elsewhere: install Python from python.org."
    say "Creating .venv with $(version "$python") ..."
    mkdir $venv 2>/dev/null
    leave_mark
    "$python" -m venv $venv >$log 2>&1 ||
        fail "Creating .venv failed." "$python -m venv says: $(tail -n 1 $log)" \
            "Debian, Ubuntu: sudo apt install python3-venv. If the disk is full, free some space. Then: make $extra"
    version $venv/bin/python >$venv/.python
fi
leave_mark

say "Installing the course and its dependencies. The first time this takes a few minutes"
say "and, on Linux, about 6 GB of disk; most of it is PyTorch."
install() { # pip's output goes to the log; only the names of packages are shown
    rm -f $venv/.installed
    { $venv/bin/python -m pip install --no-input --disable-pip-version-check "$@" 2>&1 && : >$venv/.installed; } |
        tee -a $log | sed -n -e 's/^Collecting \([A-Za-z0-9_.-]*\).*/  \1/p' -e 's/^Installing collected.*/  unpacking .../p' >&2
    [ -e $venv/.installed ]
}
disk_is_full() {
    grep -qiE 'No space left|Errno 28|Disk quota' $log || [ "$(df -Pk . | awk 'NR == 2 {print $4}')" -lt 100000 ]
}
: >$log
if ! { install "pip>=23.1" && install -e ".[$extra]"; }; then
    again="Then run this again; it starts over: make $extra"
    if disk_is_full; then
        fail "The set-up stopped: the disk is full." "It needs about 6 GB on Linux, 2 GB elsewhere." "Free some space here and in ${TMPDIR:-/tmp}. $again"
    elif grep -qiE 'connection broken|ConnectionError|ConnectTimeout|ReadTimeout|name resolution|Max retries|unreachable|ProxyError|SSLError|from versions: none' $log; then
        fail "The set-up stopped: the packages could not be downloaded." "There is no connection to the package index: no network, a proxy, or a firewall." \
            "Check the connection (and pip's settings: pip config list). $again"
    fi
    fail "The set-up stopped: pip could not install the course." \
        "pip says: $(grep -E '^ *(ERROR|error)' $log | sed 's#[a-z+]*://[^ ]*#(address)#g' | tail -n 3)" \
        "Its whole output is in $log. $again"
fi
rm -f $mark
key >"$stamp"
say "Ready."
