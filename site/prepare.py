"""Gather what the site is built from in ``site/_build``: pages, figures, downloads, MathJax.

python site/prepare.py
"""

import gzip
import json
import re
import shutil
from pathlib import Path

import notebook_pages
import paper_table
from PIL import Image
from places import DOCUMENTS, HERE, Course, relinked
from terms import Glossary

MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")


def main() -> None:
    """Write ``_build/source``, which Sphinx reads, and ``_build/extra``, which it copies."""
    course = Course.at(HERE.parent)
    source, extra = HERE / "_build" / "source", HERE / "_build" / "extra"
    for folder in (source, extra):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "pages", source)
    for name in DOCUMENTS:
        text = relinked((course.root / name).read_text("utf-8"), name, course)
        write(source / name, re.sub(r"(assets/\w+)\.png", r"\1.webp", text))
    index = (HERE / "pages" / "index.md").read_text("utf-8")
    write(source / "index.md", index.replace("<!-- path -->", path_through(source / "README.md")))
    glossary = Glossary.read((HERE / "pages" / "glossary.md").read_text("utf-8"))
    (extra / "figures").mkdir(parents=True)
    for name in course.notebooks:
        page = notebook_pages.page(course, name, extra / "figures", glossary)
        write(source / "notebooks" / f"{name}.ipynb", json.dumps(page))
        notebook = (course.root / "notebooks" / f"{name}.ipynb").read_text("utf-8")
        write(extra / "download" / f"{name}.ipynb", notebook)
    write(source / "papers.md", paper_table.page(course))
    for image in sorted((course.root / "assets").glob("*.png")):
        smaller(image, source / "assets" / f"{image.stem}.webp")
    copy_mathjax(extra / "_static" / "mathjax")
    copy_demos(course, extra / "_static" / "demos")


def path_through(readme: Path) -> str:
    """README's table of notebooks, without the links to Colab."""
    table = re.search(r"notebooks:begin -->\n(.*?)\n<!--", readme.read_text("utf-8"), re.S)[1]
    return re.sub(r" \[Open in Colab\]\([^)]*\)", "", table)


def write(path: Path, text: str) -> None:
    """Write a text file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def smaller(image: Path, target: Path) -> None:
    """An image as WebP, at most 960 pixels wide."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(image) as opened:
        opened.thumbnail((960, 10_000))
        opened.convert("RGB").save(target, quality=88, method=6)


def copy_mathjax(target: Path) -> None:
    """MathJax with its fonts, from npm's folder."""
    package = HERE / "node_modules" / "mathjax" / "es5"
    for name in MATHJAX:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if (package / name).is_dir():
            shutil.copytree(package / name, path)
        else:
            shutil.copy(package / name, path)


def copy_demos(course: Course, target: Path) -> None:
    """The demos, the networks, and what both share with the page that the package exports."""
    shutil.copytree(HERE / "demos", target, ignore=shutil.ignore_patterns("*.md", "*.json"))
    shutil.copytree(HERE / "models", target / "models")
    export = course.root / "gancourse" / "export"
    for name in ("latent.js", "latent.css"):
        shutil.copy(export / "page" / name, target / name)
    (target / "runtime").mkdir()
    for name, short in (
        ("ort-wasm-simd-threaded.wasm.gz", "ort.wasm"),
        ("ort.wasm.bundle.min.mjs.gz", "ort.mjs"),
    ):
        content = gzip.decompress((export / "runtime" / name).read_bytes())
        (target / "runtime" / short).write_bytes(content)


if __name__ == "__main__":
    main()
