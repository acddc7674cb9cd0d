"""Which paths in packages are means to reach a reference, or to tamper with the process."""

import re

from gancourse.grading.judging.paths import public

REGISTRY = "gancourse.exercises"
HARMLESS_DUNDERS = {
    *("__file__", "__version__", "__doc__", "__name__", "__init__", "__call__", "__len__"),
    *("__class__", "__iter__", "__next__", "__getitem__", "__enter__", "__exit__", "__repr__"),
    *("__str__", "__annotations__", "__post_init__", "__all__", "__module__", "__qualname__"),
    *("__main__", "__new__", "__eq__", "__hash__", "__format__", "__init_subclass__", "__path__"),
    *("__setitem__", "__contains__", "__add__", "__mul__", "__sub__", "__truediv__", "__matmul__"),
    *("__dict__", "__setattr__", "__getattr__", "__del__", "__bool__", "__float__", "__int__"),
    *("__radd__", "__rmul__", "__neg__", "__pow__", "__abs__", "__lt__", "__gt__", "__le__"),
    *("__ge__", "__ne__", "__set_name__", "__missing__", "__cause__", "__version_info__"),
    *("__torch_function__", "__future__", "__delitem__", "__reversed__", "__dir__", "__sizeof__"),
}
PACKAGE_DUNDERS = HARMLESS_DUNDERS - {"__dict__", "__path__", "__setattr__", "__getattr__"}
PRIVATE = {  # attributes of anything
    *("reference", "alternatives", "slips", "of_notebook", "assess", "cell_contents"),
    *("f_back", "f_locals", "f_globals", "f_builtins", "f_code", "tb_frame", "gi_frame"),
    *("cr_frame", "ag_frame", "gi_code", "cr_code", "co_code", "co_consts", "co_names"),
    *("input_transformers_post", "input_transformers_cleanup", "ast_transformers", "run_cell"),
}
SPELLED = PRIVATE - {"reference", "alternatives", "slips", "assess"}  # telling also as a text
PROCESSES = {"cpu_count", "set_start_method", "set_sharing_strategy", "freeze_support"}
ONLY = {  # what is harmless in a module; all else in it is a means
    "gancourse.exercises": {"check", "verdict"},
    **dict.fromkeys(("gancourse.grading", "gancourse.cli", "ctypes", "_ctypes", "cffi"), ()),
    **dict.fromkeys(("marshal", "builtins", "_thread", "code", "codeop", "runpy", "imp"), ()),
    **dict.fromkeys(("zipimport", "pkgutil", "bdb", "trace", "unittest.mock", "atexit"), ()),
    **dict.fromkeys(("faulthandler", "dill", "cloudpickle", "copyreg", "numba", "_testcapi"), ()),
    **dict.fromkeys(("__main__", "_imp", "_frozen_importlib", "_pickle", "_posixsubprocess"), ()),
    **dict.fromkeys(("pytest", "mock", "posix", "_socket", "_signal", "pty", "cloudpickle"), ()),
    **dict.fromkeys(("torch.fx", "torch.library", "torch.overrides", "torch._dynamo"), ()),
    **dict.fromkeys(("torch.jit", "torch.export", "torch.package", "torch._inductor"), ()),
    **dict.fromkeys(("torch.utils._python_dispatch", "torch.utils.cpp_extension"), ()),
    **dict.fromkeys(("torch._functorch", "torch._subclasses", "torch.onnx"), ()),
    "torch._C": {"Generator", "_log_api_usage_once"},
    "sys": {
        *("version", "version_info", "path", "argv", "executable", "platform", "stdout", "stderr"),
        *("stdin", "maxsize", "exit", "getsizeof", "setrecursionlimit", "getrecursionlimit"),
        *("byteorder", "float_info", "implementation", "prefix", "base_prefix", "getrefcount"),
        *("flags", "hexversion", "dont_write_bytecode", "builtin_module_names", "intern"),
        *("getdefaultencoding", "warnoptions", "tracebacklimit", "maxunicode", "api_version"),
        *("set_int_max_str_digits", "getfilesystemencoding", "stdlib_module_names", "ps1", "ps2"),
    },
    "gc": {"collect", "disable", "enable", "isenabled", "get_count", "get_stats", "freeze"},
    "inspect": {
        *("signature", "Parameter", "isclass", "isfunction", "ismodule", "ismethod", "getdoc"),
        *("getsource", "getmro", "getfullargspec", "iscoroutinefunction", "cleandoc", "getfile"),
    },
    "importlib": {
        "reload",
        "import_module",
        "invalidate_caches",
        "metadata",
        "resources",
        "util.find_spec",
        "util",
    },
    "IPython": {
        *(
            "display",
            "core.display",
            "core.debugger",
            "core.pylabtools",
            "lib.pretty",
            "get_ipython",
        ),
        *("core.getipython.get_ipython", "__version__", "version_info", "core.magic", "utils.io"),
        "core.interactiveshell.InteractiveShell.ast_node_interactivity",
    },
    "socket": {"gethostname", "gethostbyname", "getfqdn", "timeout", "setdefaulttimeout"},
    "signal": {"SIGINT", "SIGALRM", "SIGTERM", "Signals", "default_int_handler"},
    "pickle": {"dump", "dumps", "load", "HIGHEST_PROTOCOL", "PickleError", "UnpicklingError"},
    "multiprocessing": PROCESSES,
    "torch.multiprocessing": PROCESSES,
}
NEVER = re.compile(  # in modules that are otherwise harmless
    r"os\.(_exit|kill|killpg|x?fork\w*|p?writev?|dup2?|fdopen|exec\w*|spawn\w*|posix_spawn\w*|abort"
    r"|closerange|register_at_fork|sendfile|splice|pidfd_\w+|memfd_\w+)$"
    r"|threading\.(_?set(profile|trace)\w*|_shutdown|_start_new_thread|excepthook)"
    r"|traceback\.(walk_\w+|StackSummary|extract_stack)|types\.(Code|Function|Frame|Lambda|Cell)Type"
    r"|concurrent\.futures\.(ProcessPoolExecutor|process)|asyncio\.\w*subprocess\w*"
    r"|__future__\.barry_as_FLUFL|torch\.(ops|classes)\.load_library|torch\._ops\.|torch\.serialization\._"
    r"|torch\.(nn|autograd)\.\w+\.\w*register_module_\w+|sys\.modules$|weakref\.getweakref\w+"
    r"|pydoc\.(locate|resolve|safeimport|importfile)|typing\.get_type_hints|doctest\.|logging\.config\."
    r"|importlib\.metadata\.EntryPoint|traitlets\.(utils|config)\.|c?[pP]rofile\.(run|runctx|Profile)"
    r"|(exec|eval|__builtins__)$|(setattr|globals|locals|vars)\(\)$|\w+\.__(builtins|loader|spec|getattribute|subclasses|code|globals)__"
)
PATCHED = {  # packages, parts of which nobody assigns to ...
    *("gancourse", "torch", "builtins", "sys", "numpy", "IPython", "safetensors", "json", "os"),
    *("gc", "inspect", "threading", "copy", "random", "math", "functools", "operator", "struct"),
    *("contextlib", "socket", "signal", "warnings", "importlib", "types", "numbers", "dataclasses"),
    *(
        "hashlib",
        "traceback",
        "linecache",
        "tokenize",
        "ast",
        "re",
        "io",
        "get_ipython()",
        "type()",
    ),
}
PATCHABLE = re.compile(  # ... except for these
    r"torch\.backends\.|torch\.(_inductor|_dynamo)\.config|torch\.utils\.data\.\w*_debug"
    r"|sys\.(stdout|stderr|stdin|path|argv|tracebacklimit|dont_write_bytecode|ps[12]|setrecursionlimit)$"
    r"|IPython\.core\.interactiveshell\.InteractiveShell\.ast_node_interactivity$"
    r"|numpy\.(int|float|bool|object|complex|str|typeDict|warnings)$|os\.environ$"
    r"|warnings\.(showwarning|formatwarning|warn|simplefilter|filterwarnings)$"
)


def is_means(path: str) -> bool:
    """Whether a path is a means to reach a reference, or to tamper with the process."""
    if path[0] == ".":  # an attribute of something unknown
        name = path[1:]
        return name in PRIVATE or (is_dunder(name) and name not in HARMLESS_DUNDERS)
    for module, harmless in ONLY.items():
        if path == module and not harmless:
            return True
        if path.startswith(f"{module}."):
            rest = path[len(module) + 1 :]
            if not any(rest == name or rest.startswith(f"{name}.") for name in harmless):
                return True
    dunders = [name for name in path.split(".")[1:] if is_dunder(name)]
    star = path.endswith(".*") and (path.startswith("gancourse") or not public(path[:-2]))
    hidden = star or path.endswith("?") or any(name not in PACKAGE_DUNDERS for name in dunders)
    return bool(NEVER.match(path)) or (hidden and path.split(".")[0] in PATCHED)


def is_patch(path: str) -> bool:
    """Whether an assignment to a path replaces part of a package."""
    return path.split(".")[0] in PATCHED and "." in path and not PATCHABLE.match(path)


def is_dunder(name: str) -> bool:
    """Whether a name is one of Python's own: `__init__`."""
    return len(name) > 4 and name.startswith("__") and name.endswith("__")
