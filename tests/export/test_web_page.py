"""The page: in the text, and in headless Chromium where there is one."""

import gzip
import hashlib
import json
import re
import time
from pathlib import Path

import pytest
from conftest import NASTY

import gancourse.export
from gancourse.export import web_page

HERE = Path(gancourse.export.__file__).parent
READY = "document.querySelector('.latent')?.dataset.milliseconds"
IMAGE = "document.querySelector('canvas').toDataURL()"
COLOURS = """(() => {
    const canvas = document.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data.filter((_, i) => i % 4 === 0)).size;
})()"""
MOVE = """(n, value) => {
    const slider = document.querySelectorAll("input[type=range]")[n];
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def test_the_runtime_is_the_one_of_its_readme():
    text = (HERE / "runtime" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (\d+) \| ([0-9a-f]{64}) \|$", text, re.MULTILINE)
    assert len(rows) == 2 and f"version {web_page.VERSION}" in text
    for name, size, digits in rows:
        data = gzip.decompress((HERE / "runtime" / f"{name}.gz").read_bytes())
        assert (len(data), hashlib.sha256(data).hexdigest()) == (int(size), digits)


def test_the_page_is_small_and_refers_to_nothing_outside(exported):
    text = (exported / "index.html").read_text(encoding="utf-8")
    assert len(text) < 6_000_000
    assert "connect-src" not in text and "default-src 'none'" in text
    assert not re.search(r"""(src|href)=["']?(?!data:)\w+:""", text.split("<script", 1)[0])
    assert "import.meta" not in text and "Microsoft Corporation" in text


def test_text_of_the_caller_never_becomes_html(exported):
    text = (exported / "index.html").read_text(encoding="utf-8")
    assert NASTY not in text and text.count("onerror='") == 0
    assert text.count("&lt;/script&gt;&lt;img") == 4  # two titles, data, licence


@pytest.fixture
def page(chromium, exported):
    """The page, opened from its file, ready."""
    chromium.errors.clear()
    chromium.look(1280)
    chromium.open(exported / "index.html")
    chromium.wait(READY)  # 1.2 s on two busy cores
    yield chromium
    assert not chromium.errors
    others = [url for url in chromium.requests if not url.startswith("data:")]
    assert others == [(exported / "index.html").resolve().as_uri()]


def changes(page, before: str) -> bool:
    """Whether the drawn image becomes another one within two seconds."""
    page.wait(f"{IMAGE} !== {json.dumps(before)}", 2)
    return True


def button(name: str) -> str:
    """The button whose text has that word, in JavaScript."""
    return f"[...document.querySelectorAll('button')].find(b => /{name}/.test(b.textContent))"


def test_an_image_appears_and_each_slider_changes_it(page):
    first = page.run(IMAGE)
    assert page.run(COLOURS) > 5  # not blank
    assert page.run("document.title") == NASTY and not page.run("'hacked' in window")
    assert "ms on this device" in page.run("document.querySelector('[role=status]').textContent")
    sliders = page.run("document.querySelectorAll('input[type=range]').length")
    assert sliders == 7  # six directions, one interpolation
    for n in range(sliders):
        before = page.run(IMAGE)
        page.run(f"({MOVE})({n}, 0.9)")
        assert changes(page, before)
    before = page.run(IMAGE)
    page.run(f"({MOVE})({sliders - 1}, 0)")
    page.run(
        "[...document.querySelectorAll('button')].find(b => /Reset/.test(b.textContent)).click()"
    )
    assert changes(page, before)
    page.wait(f"{IMAGE} === {json.dumps(first)}", 2)


def test_new_samples_seeds_and_the_walk(page):
    before = page.run(IMAGE)
    page.run("document.querySelector('.latent-primary').click()")
    assert changes(page, before)
    assert "Image of seed" in page.run("document.querySelector('[role=status]').textContent")
    seed = "document.querySelector('input[type=number]')"
    for value in ("1", "1e99", "-7", ""):  # a seed, and what is none
        before = page.run(IMAGE)
        page.run(f"{seed}.value = '{value}'; {seed}.dispatchEvent(new Event('change'))")
        assert changes(page, before) and page.run(f"/^[0-9]+$/.test({seed}.value)")
    mix = "[...document.querySelectorAll('input[type=range]')].at(-1).value"
    walk = button("walk")
    page.run(f"{walk}.click()")
    page.wait(f"{mix} > 0.02 && {walk}.textContent === 'Stop walk'", 5)
    page.run(f"{walk}.click()")
    now = page.run(mix)
    time.sleep(0.2)
    assert page.run(mix) == now and page.run(f"{walk}.textContent") == "Start walk"


def test_a_reader_who_wants_no_motion_gets_none(page):
    page.look(1280, prefers_reduced_motion="reduce")
    walk = button("walk")
    page.run(f"{walk}.click()")
    time.sleep(0.5)
    assert page.run("[...document.querySelectorAll('input[type=range]')].at(-1).value") == "0"
    page.run(f"{walk}.click()")


def test_everything_has_a_name_and_fits(page):
    unnamed = """[...document.querySelectorAll("input, button")].filter(
        (node) => !(node.labels?.[0] ?? node).textContent.trim()).length"""
    assert page.run(unnamed) == 0
    assert "seed 1" in page.run("document.querySelector('canvas').getAttribute('aria-label')")
    for width in (320, 390, 1280):
        page.look(width)
        assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["WebAssembly", "DecompressionStream"])
def test_an_old_browser_shows_samples_and_the_reason(chromium, exported, name):
    script = chromium.call("Page.addScriptToEvaluateOnNewDocument", source=f"delete {name}")
    chromium.open(exported / "index.html")
    chromium.wait("document.querySelector('.latent-error')")
    assert name in chromium.run("document.querySelector('.latent-error').textContent")
    chromium.wait("document.querySelector('figure img').naturalWidth > 100")
    chromium.call("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_latent_vectors_of_the_page(chromium):
    """`latent`, `between` and `moved` for the three distributions."""
    chromium.open(HERE / "page" / "template.html")
    source = json.dumps((HERE / "page" / "latent.js").read_text(encoding="utf-8"))
    code = f"""(async () => {{
        const url = URL.createObjectURL(new Blob([{source}], {{ type: "text/javascript" }}));
        const {{ latent, between, moved }} = await import(url);
        const result = {{}};
        for (const noise of ["normal", "uniform", "sphere"]) {{
            const about = {{ noise, noiseDim: 2000, directions: [Array(2000).fill(2000 ** -0.5)] }};
            const a = latent(5, about), b = latent(6, about);
            const half = between(a, b, 0.5, about), far = moved(a, [3], about);
            result[noise] = [a, latent(5, about), b, half, far, between(a, b, 0, about)]
                .map((z) => [...z]);
        }}
        return result;
    }})()"""
    chromium.call("Page.navigate", url="about:blank")
    for noise, vectors in chromium.run(code).items():
        a, again, b, half, far, start = vectors
        assert a == again and a != b
        assert start == pytest.approx(a, abs=1e-6)
        mean = sum(a) / 2000
        square = sum(x * x for x in a) / 2000
        assert abs(mean) < 0.1 and square == pytest.approx(1 / 3 if noise == "uniform" else 1, 0.1)
        if noise != "uniform":  # the middle of the arc is as long as its ends
            assert sum(x * x for x in half) / 2000 == pytest.approx(1, rel=0.1)
        moved_by = sum(x - y for x, y in zip(far, a, strict=True)) * 2000**-0.5
        deviation = 3**-0.5 if noise == "uniform" else 1
        assert moved_by == pytest.approx(3 * deviation, abs=0.2)
        assert noise != "uniform" or max(map(abs, far)) <= 1
        if noise == "sphere":
            assert sum(x * x for x in far) == pytest.approx(2000)
