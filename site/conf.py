"""Settings of Sphinx, which turns the prepared pages into the site: see README.md here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from places import HERE, Course

course = Course.at(HERE.parent)
project = "gancourse"
author = "The gancourse developers"
copyright = "the gancourse developers; MIT licence"
version = release = course.version
extensions = ["myst_nb", "sphinx_design"]
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # a saved slider has images of its own; nothing is loaded from elsewhere
suppress_warnings = [
    "mystnb.unknown_mime_type",  # what JupyterLab shows in place of the image
    "myst.header",  # a text may begin with a heading of level 3
    "myst.xref_missing",  # anchors in HTML: the tests check every link of the finished site
]
html_theme = "sphinx_book_theme"
html_title = "gancourse"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css", "demos/latent.css", "demos/demos.css"]
html_js_files = ["site.js", ("demos/start.js", {"type": "module"})]
html_extra_path = [str(HERE / "_build" / "extra")]
html_show_sourcelink = False
html_copy_source = False
html_last_updated_fmt = None
html_baseurl = f"https://{course.slug.split('/')[0]}.github.io/{course.slug.split('/')[1]}/"
html_context = {"default_mode": "auto"}
html_favicon = str(HERE / "static" / "favicon.svg")
html_theme_options = {
    "repository_url": course.repository,
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],
}
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}
