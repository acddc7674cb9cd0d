"""Links in a notebook's text: to other notebooks, exercises, figures and papers.

Sources name them in a fixed form: "notebook 04", "Exercise 6.3", "Figure 6.2", "arXiv 1511.06434".
The line with an exercise's facts becomes a heading, so that it is in the table of contents.
"""

import re
from collections.abc import Mapping

CARD = re.compile(
    r"^\*\*Exercise (?P<id>[\d.]+)\*\* · \*(?P<title>.+)\* · (?P<facts>difficulty .+)$", re.M
)
CAPTION = re.compile(r"^\*(?=Figure (\d+\.\d+)\b)", re.M)
KEPT = re.compile(
    r"^<a .*?</a>\*Figure [\d.]+\d|"
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|!?\[[^\]\n]*\]\([^)\n]*\)|<[^>\n]+>|^#[^\n]*",
    re.S | re.M,
)
"""Code, formulas, links, HTML tags, headings and a caption's own number are left as they are."""
NAMES = re.compile(r"\b(notebook|Exercise|Figure) (\d+)((?:\.\d+)?)\b|\barXiv[ :]([\d.]+\d)", re.I)


def linked(text: str, here: str, notebooks: Mapping[str, str]) -> str:
    """A cell's text with links, and with anchors at exercises and captions.

    Parameters
    ----------
    text : str
        Markdown of the source.
    here : str
        The notebook's own number: "04".
    notebooks : Mapping[str, str]
        Number -> name without suffix, of all notebooks.
    """

    def link(match: re.Match) -> str:
        words, kind, number, part, paper = match.group(0, 1, 2, 3, 4)
        if paper:
            return f"[{words}](https://arxiv.org/abs/{paper})"
        number = number.zfill(2)
        anchor = f"#{kind.lower()}-{match[2]}{part}" if part else ""
        if number not in notebooks or bool(part) == (kind.lower() == "notebook"):
            return words  # a paper's "Figure 1", or unknown
        if number == here:
            return f"[{words}]({anchor})" if anchor else words
        return f"[{words}]({notebooks[number]}.ipynb{anchor})"

    heading = r'<a id="exercise-\g<id>"></a>' "\n\n" r"### Exercise \g<id>: \g<title>" "\n\n"
    text = CARD.sub(heading + r"\g<facts>", text)
    text = CAPTION.sub(r'<a id="figure-\1"></a>*', text)
    parts, end = [], 0
    for kept in KEPT.finditer(text):
        parts += [NAMES.sub(link, text[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, NAMES.sub(link, text[end:])])
