"""The students' notebooks in JupyterLab in a real browser: Run All, a slider, the check's colours.

Uses the environment that `make test` or `make lab` has made, with the smallest profile.
"""

import json
import os
import shutil
import socket
import subprocess
import time

import pytest
from conftest import SITE

ROOT = SITE.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
NOTEBOOKS = {"00": "00_start_here", "02": "02_minimax_game", "03": "03_dcgan"}
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {
        "windowingMode": "none"
    },  # all cells are in the page
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
ALL = 240_000  # milliseconds for a whole notebook; protection against hanging
pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv: run make test first"),
    pytest.mark.skipif(not os.environ.get("LAB"), reason="being written; runs with LAB=1"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a server, the folder for notebooks, and the pages that were opened."""
    folder = tmp_path_factory.mktemp("lab")
    settings = folder / "settings"
    for name, values in SETTINGS.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "GANCOURSE_PROFILE": "smoke", "GANCOURSE_RUNS": str(folder / "runs"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    options = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--port={port}"]
    options += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    options += ["--LabApp.expose_app_in_browser=True"]
    options += [f"--LabApp.app_settings_dir={ROOT / 'tools' / 'lab'}"]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [PYTHON, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        )
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", folder, []
        server.terminate()
        server.wait(20)


@pytest.fixture
def run_all(browser, lab):
    """A function: number of a notebook, theme -> page with all cells run, saved notebook."""
    address, folder, used = lab
    contexts = []

    def run(number, theme="JupyterLab Light"):
        file = folder / "settings" / "@jupyterlab" / "apputils-extension"
        (file / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}), "utf-8")
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(ALL)
        path = folder / f"{NOTEBOOKS[number]}_{len(used)}.ipynb"
        shutil.copy(ROOT / "notebooks" / f"{NOTEBOOKS[number]}.ipynb", path)
        page.goto(f"{address}/lab/workspaces/w{len(used)}/tree/{path.name}")
        used.append(page)
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
        page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
        page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(  # the last cell has a number once it has ended
            "/\\[\\d+\\]/.test([...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".at(-1).textContent)"
        )
        page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
        before = path.stat().st_mtime_ns
        page.evaluate("void jupyterapp.commands.execute('docmanager:save')")
        for _ in range(600):
            if path.stat().st_mtime_ns != before:
                break
            time.sleep(0.1)
        time.sleep(0.5)
        return page, json.loads(path.read_text("utf-8"))

    yield run
    for context in contexts:
        context.close()


def errors(notebook):
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    return [o["evalue"] for o in outputs if o["output_type"] == "error"]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_run_all_ends_without_an_error(run_all, number):
    _, notebook = run_all(number)
    assert not errors(notebook)
    code = [c for c in notebook["cells"] if c["cell_type"] == "code" and "".join(c["source"])]
    assert all(cell["execution_count"] for cell in code)


def test_a_slider_moves_an_image(run_all):
    page, _ = run_all("00")
    slider = page.locator('[role="slider"], input[type="range"]').first
    slider.scroll_into_view_if_needed()
    images = "[...document.querySelectorAll('.jp-OutputArea img')].map((i) => i.src).join()"
    before = page.evaluate(images)
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"({images}) !== {json.dumps(before)}")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_checks_box_can_be_read(run_all, theme):
    page, _ = run_all("00", theme)
    box = page.locator('.jp-OutputArea div[style*="border-left"]').first
    box.scroll_into_view_if_needed()
    contrast = box.evaluate(CONTRAST)
    assert contrast > 4.5


CONTRAST = """box => {
    const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    let node = box, paper = [255, 255, 255];
    while (node) {
        const found = numbers(getComputedStyle(node).backgroundColor);
        if (found.length < 4 || found[3] > 0) { paper = found; break; }
        node = node.parentElement;
    }
    const both = [light(numbers(getComputedStyle(box).color)), light(paper)];
    const [a, b] = both.sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""
