"""Shell commands and magics of a notebook: which of them touch the course's package."""

import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import gancourse
from gancourse.grading.answers.magics import PYTHON_CELLS, PYTHON_LINES, SHELL_CELLS, SHELL_LINES

HARMLESS_LINES = PYTHON_LINES | {
    *("matplotlib", "pip", "conda", "mamba", "uv", "load_ext", "reload_ext", "unload_ext"),
    *("autoreload", "env", "set_env", "cd", "pwd", "who", "whos", "who_ls", "xmode", "precision"),
    *("pinfo", "pinfo2", "pdoc", "pdef", "psearch", "tensorboard", "lsmagic", "magic", "quickref"),
    *("history", "hist", "pdb", "tb", "store", "reset", "reset_selective", "xdel", "colors", "gui"),
    *("pylab", "pprint", "page", "logstart", "logstop", "dirs", "bookmark", "watermark", "psource"),
    *("autosave", "connect_info", "clear", "cls", "man", "more", "skip"),
    *("tensorflow_version", "shell", "wandb", "rehashx", "pycat", "aimport", "load_env", "dotenv"),
}
HARMLESS_CELLS = PYTHON_CELLS | {
    *("html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "css"),
}
FILE_CELLS = {"writefile", "file"}
# commands that may well name the course: its installation, its own commands, lists of files
INSTALLS = re.compile(
    r"(sudo |time )?(python[\d.]* -m )?"
    r"(pip[\d.]* (install|uninstall|show|list|freeze|download|check)|(uv|conda|mamba|apt|apt-get) "
    r"|git clone (--depth[ =]\d+ |-q )*https?://\S+( [\w./-]+)?$|gancourse (doctor|data)\b"
    r"|gancourse check [\w./-]+$|ls\b|which |mkdir |cd [\w-]+$|#)"
)
READS = re.compile(
    r"(nvidia-smi|ls|pwd|cat|head|tail|wc|echo|df|du|free|lscpu|uname|date|whoami)\b"
)
PACKAGE = re.compile(r"gancourse|(site|dist)-packages|PYTHONPATH|PYTHONSTARTUP|/proc/(self|\d)")
PYTHON = re.compile(
    r"(^|[\s/`('\"!=])i?python[\d.]*(?! *(-V|--version|-m (pip|venv|ipykernel)))(\s|$)"
)
CHECKED = re.compile(r"gancourse check\b.*(\||--json)")  # its verdict can be read by code
RUN = re.compile(r"%run( -[a-z]+)* (\w+)(\.py)?( [\w .=-]*)?$")
HIDDEN = re.compile(r"\$\(|`|\beval\b|\bbase64\b|\bxxd\b|<\(")
WILD = re.compile(r"[*?\[]")


def touches_package(text: str) -> bool:
    """Whether a shell's text names the package or Python, or hides what it names."""
    if CHECKED.search(text):
        return True
    for command in re.split(r"[\n;|&]+", text):
        command = command.strip().lstrip("!% ")
        if INSTALLS.match(command) and not HIDDEN.search(command) and ">" not in command:
            continue
        if any(pattern.search(command) for pattern in (PACKAGE, PYTHON, HIDDEN)):
            return True
        if any(_may_match(word) for word in command.split() if WILD.search(word)):
            return True
    return False


def file_run(magic: str) -> str:
    """The file that `%run helpers.py` runs, if it lies next to the notebook; else empty."""
    match = RUN.match(magic)
    return f"{match[2]}.py" if match else ""


def may_write(text: str) -> bool:
    """Whether a shell's text may write a file whose content is not known."""
    commands = [command.strip().lstrip("!% ") for command in re.split(r"[\n;|&]+", text)]
    return ">" in text or any(c and not INSTALLS.match(c) and not READS.match(c) for c in commands)


def line_magic(name: str, line: str) -> bool:
    """Whether a line magic is a means to reach the package or the process, as far as is known."""
    if name in SHELL_LINES:
        return touches_package(f"{name if name not in ('sx', 'system', 'sc', '!') else ''} {line}")
    return name not in HARMLESS_LINES


def cell_magic(name: str, line: str, body: str) -> bool:
    """Whether a cell magic is such a means."""
    if name in SHELL_CELLS:
        python = name.startswith(("python", "pypy"))
        return touches_package(f"{line if name == 'script' else ''}\n{body}") or (
            python and "import" in body
        )
    if name in FILE_CELLS:
        return bool(PACKAGE.search(body))
    return name not in HARMLESS_CELLS


def _may_match(pattern: str) -> bool:
    """Whether a pattern of the shell may match a file of the package: `/usr/*/*/g*`."""
    if not pattern.startswith(("/", "..", "~")):
        return fnmatch("gancourse", pattern.split("/")[0]) and pattern.strip("*./") != ""
    parts = [part for part in pattern.split("/") if part not in ("", "..", "~")]
    return any(
        len(parts) > 0 and all(fnmatch(a, b) for a, b in zip(place, parts, strict=False))
        for place in _places()
    )


@cache
def _places() -> tuple[tuple[str, ...], ...]:
    """The package's folder, from the root and from each folder above it."""
    parts = Path(gancourse.__file__).resolve().parent.parts[1:]
    return tuple(parts[n:] for n in range(len(parts)))
