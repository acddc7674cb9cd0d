"""For kernels of the course's .venv: they don't name Python's version in a notebook's metadata.

JupyterLab writes what the kernel says into a notebook that is opened, and asks on closing whether
to save it, if this differs from what was there. Notebooks are built with what is left.
"""

from ipykernel.ipkernel import IPythonKernel

IPythonKernel.language_info = {
    key: value for key, value in IPythonKernel.language_info.items() if key != "version"
}
