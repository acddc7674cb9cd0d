"""Each demo: an image appears, an input changes it, nothing is requested from elsewhere.

The seconds are printed, not asserted: run with -s to see them.
"""

import hashlib
import time

import pytest

DEMOS = {
    "01_adversarial_examples": "adversarial", "02_minimax_game": "plane", "03_dcgan": "digits",
    "04_inside_dcgan": "digits", "05_conditional_gan": "labels", "06_lapgan": "pyramid",
    "07_text_to_image": "sentence", "08_srgan": "enlarge", "09_cyclegan": "translate",
    "11_your_own_gan": "galaxies",
}  # fmt: skip
PIXELS = """canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return Array.from(data).join(',');
}"""


def started(opened, name, width=1280):
    watched = opened(f"notebooks/{name}.html", width)
    page = watched.page
    begin = time.perf_counter()
    page.locator(".demo").scroll_into_view_if_needed()
    page.wait_for_selector('.demo[data-state="ready"]')
    return watched, page.locator(".demo"), time.perf_counter() - begin


def picture(demo, index=0):
    """A digest of a canvas's pixels, and how many different values they have."""
    text = demo.locator("canvas").nth(index).evaluate(PIXELS)
    return hashlib.sha256(text.encode()).hexdigest(), len(set(text.split(",")))


def changes(demo, act, index=0):
    """Seconds until a canvas has changed after an action."""
    before, _ = picture(demo, index)
    begin = time.perf_counter()
    act()
    while picture(demo, index)[0] == before:
        assert time.perf_counter() - begin < 60, "the image did not change"
        time.sleep(0.02)
    return time.perf_counter() - begin


def move(slider, value):
    slider.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


def act(demo, name):
    """What a reader would do first."""
    sliders, buttons = demo.locator('input[type="range"]'), demo.locator("button")
    if name == "adversarial":
        return lambda: move(sliders.first, "4")
    if name == "plane":
        return lambda: buttons.filter(has_text="One step").click()
    if name in ("digits", "galaxies"):
        return lambda: move(sliders.first, "2")
    if name == "labels":
        return lambda: move(sliders.first, "0.7")
    if name == "pyramid":
        return lambda: buttons.filter(has_text="New flower").click()
    if name == "sentence":
        return lambda: demo.locator('input[type="text"]').fill("a blue flower with eight petals")
    if name == "enlarge":
        return lambda: move(sliders.first, "0.9")
    return lambda: buttons.filter(has_text="Another flower").click()


@pytest.mark.parametrize("name", DEMOS)
def test_an_image_appears_and_an_input_changes_it(opened, name):
    watched, demo, seconds = started(opened, name)
    assert picture(demo)[1] > 8  # it is not blank
    changed = changes(demo, act(demo, DEMOS[name]))
    print(f"{name}: an image after {seconds:.2f} s, changed after {changed:.2f} s")
    assert not watched.problems


@pytest.mark.parametrize("name", ["02_minimax_game", "07_text_to_image", "08_srgan"])
def test_it_fits_a_phone(opened, name):
    watched, demo, _ = started(opened, name, 390)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    changes(demo, act(demo, DEMOS[name]))


def test_the_game_trains_and_finds_modes(opened):
    _, demo, _ = started(opened, "02_minimax_game")
    demo.locator("button", has_text="Play").click()
    demo.page.wait_for_function("Number(document.querySelector('[data-steps]').dataset.steps) > 50")
    demo.locator("button", has_text="Pause").click()
    assert "places covered" in demo.locator('[role="status"]').text_content()


def test_own_data_are_drawn_and_without_them_nothing_starts(opened):
    _, demo, _ = started(opened, "02_minimax_game")
    demo.locator("select").first.select_option("own")
    demo.locator("button", has_text="Play").click()
    assert "Draw on the plane first" in demo.locator('[role="status"]').text_content()
    plane = demo.locator("canvas").first
    plane.scroll_into_view_if_needed()
    box, mouse = plane.bounding_box(), demo.page.mouse
    mouse.move(box["x"] + 100, box["y"] + 250)
    mouse.down()
    for n in range(20):
        mouse.move(box["x"] + 100 + 8 * n, box["y"] + 250)
    mouse.up()
    changes(demo, lambda: demo.locator("button", has_text="One step").click())


def test_unknown_words_are_shown(opened):
    _, demo, _ = started(opened, "07_text_to_image")
    demo.locator('input[type="text"]').fill("a turquoise flower")
    demo.page.wait_for_function(
        "document.querySelector('.demo [role=status]').textContent.includes('turquoise')"
    )


def test_a_photo_of_ones_own_is_enlarged(opened, tmp_path):
    _, demo, _ = started(opened, "08_srgan")
    photo = tmp_path / "photo.bmp"
    photo.write_bytes(bitmap(40, 30))
    demo.locator('input[type="file"]').set_input_files(str(photo))
    demo.page.wait_for_function(
        "document.querySelector('.demo [role=status]').textContent.includes('160 x 120')"
    )
    other = tmp_path / "other.png"
    other.write_text("no image")
    demo.locator('input[type="file"]').set_input_files(str(other))
    demo.page.wait_for_function(
        "document.querySelector('.demo [role=status]').textContent.includes('not an image')"
    )


def test_without_webassembly_the_figure_stays_and_the_reason_is_said(browser, address):
    context = browser.new_context()
    context.add_init_script("delete globalThis.WebAssembly")
    page = context.new_page()
    page.goto(f"{address}notebooks/05_conditional_gan.html")
    page.locator(".demo").scroll_into_view_if_needed()
    page.wait_for_selector('.demo[data-state="failed"]')
    assert "no WebAssembly" in page.locator(".demo-note").text_content()
    assert page.locator(".demo img").is_visible()
    context.close()


def bitmap(width: int, height: int) -> bytes:
    """A BMP file with a gradient of colours."""
    rows = b"".join(
        bytes(v for x in range(width) for v in (6 * x, 8 * y, 128)) + b"\0" * (-3 * width % 4)
        for y in range(height)
    )
    size = 54 + len(rows)
    head = b"BM" + size.to_bytes(4, "little") + b"\0" * 4 + (54).to_bytes(4, "little")
    info = (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return head + info + b"\1\0\x18\0" + b"\0" * 24 + rows
