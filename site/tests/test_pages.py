"""Every page: no error, no request that fails or leaves the site, links, accessibility, size."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from conftest import HTML, SITE, pages

PAGES = pages()
CONTENT = [name for name in PAGES if name not in ("search.html", "genindex.html")]
AXE = SITE / "node_modules" / "axe-core" / "axe.min.js"
LARGEST = 3_000_000  # bytes of a page
SERIOUS = ("serious", "critical")


class Anchors(HTMLParser):
    """Ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.images: list[dict] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in ("img", "script") and values.get("src"):
            self.links.append(values["src"])
        if tag == "img":
            self.images.append(values)


READ = {name: Anchors((HTML / name).read_text("utf-8")) for name in PAGES}


def test_every_notebook_and_document_has_a_page():
    notebooks = (SITE.parent / "solutions").glob("[0-9][0-9]_*.ipynb")
    assert {f"notebooks/{path.stem}.html" for path in notebooks} <= {*PAGES}
    assert {"index.html", "glossary.html", "papers.html", "docs/INSTRUCTORS.html"} <= {*PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_links_and_anchors_lead_somewhere(name):
    wrong = []
    for link in READ[name].links:
        path, anchor = urldefrag(link)
        if urlsplit(link).scheme or path.startswith("//"):
            continue
        target = (HTML / name).parent / unquote(path.partition("?")[0]) if path else HTML / name
        relative = Path(re.sub(r"/\.(?=/|$)", "", str(target.resolve())))
        if not relative.exists():
            wrong.append(link)
        elif anchor and relative.suffix == ".html":
            page = str(relative.relative_to(HTML.resolve()))
            if unquote(anchor) not in READ[page].ids:
                wrong.append(link)
    assert not wrong


@pytest.mark.parametrize("name", CONTENT)
def test_images_have_a_text_and_pages_are_light(name):
    assert all(image.get("alt", "").strip() for image in READ[name].images)
    assert (HTML / name).stat().st_size < LARGEST
    assert "data:image" not in (HTML / name).read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_without_an_error_and_is_accessible(opened, name):
    serious = {}
    for theme in ("light", "dark"):
        watched = opened(name, theme=theme)
        page = watched.page
        page.wait_for_function("document.fonts.status === 'loaded'")
        page.evaluate("window.MathJax?.startup?.promise")  # resolves when all math is shown
        page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")
        page.add_script_tag(path=str(AXE))
        result = page.evaluate(
            "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa']})"
        )
        found = [v for v in result["violations"] if v["impact"] in SERIOUS]
        serious[theme] = [
            (v["id"], [n["html"][:150] for n in v["nodes"][:3]], len(v["nodes"])) for v in found
        ]
        assert not watched.problems
    assert not any(serious.values()), serious


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("name", ["index.html", "notebooks/02_minimax_game.html", "papers.html"])
def test_a_page_is_no_wider_than_its_window(opened, name, width):
    page = opened(name, width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_hint_and_a_solution_unfold(opened):
    page = opened("notebooks/02_minimax_game.html", 390).page
    hint = page.locator("details", has_text="Hint 1").first
    assert not hint.evaluate("node => node.open")
    hint.locator("summary").click()
    assert hint.evaluate("node => node.open")
    solution = page.locator("details", has_text="Show one solution").first
    code = solution.locator("pre").first
    assert not code.is_visible()
    solution.locator("summary").click()
    assert code.is_visible()


def test_the_search_finds_a_term(opened):
    watched = opened("search.html?q=maxout")
    watched.page.wait_for_selector("#search-results li")
    assert not watched.problems


def test_terms_are_linked_once_per_page():
    text = (HTML / "notebooks" / "02_minimax_game.html").read_text("utf-8")
    linked = re.findall(r'href="\.\./glossary\.html#term-([^"]+)"', text)
    assert len(linked) > 8 and len(linked) == len({*linked})
