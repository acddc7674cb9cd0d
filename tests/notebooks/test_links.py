"""Links in the text of notebooks."""

import pytest

from gancourse.notebooks.links import linked

NOTEBOOKS = {"02": "02_minimax_game", "06": "06_lapgan"}
GAME = "[notebook 02](02_minimax_game.ipynb)"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("as in notebook 02, twice", f"as in {GAME}, twice"),
        ("Notebook 02 shows", "[Notebook 02](02_minimax_game.ipynb) shows"),
        ("this is notebook 06", "this is notebook 06"),
        ("notebook 77 and notebook 2020", "notebook 77 and notebook 2020"),
        ("see Exercise 6.3.", "see [Exercise 6.3](#exercise-6.3)."),
        ("see Exercise 2.6", "see [Exercise 2.6](02_minimax_game.ipynb#exercise-2.6)"),
        ("Figure 6.12 shows", "[Figure 6.12](#figure-6.12) shows"),
        ("the paper's Figure 6", "the paper's Figure 6"),
        ("2014, arXiv 1406.2661.", "2014, [arXiv 1406.2661](https://arxiv.org/abs/1406.2661)."),
        ("`notebook 02` $notebook 02$", "`notebook 02` $notebook 02$"),
        ("[in notebook 02](x.md) ![notebook 02](x.png)",) * 2,
        ("# From notebook 02\n\nand notebook 02", f"# From notebook 02\n\nand {GAME}"),
        ('<img alt="notebook 02">',) * 2,
        ("```\nnotebook 02\n```\nnotebook 02", f"```\nnotebook 02\n```\n{GAME}"),
        ("*Figure 6.2. As in Figure 6.1.*",
         '<a id="figure-6.2"></a>*Figure 6.2. As in [Figure 6.1](#figure-6.1).*'),
    ],
)  # fmt: skip
def test_names_become_links(text, expected):
    assert linked(text, "06", NOTEBOOKS) == expected


def test_an_exercise_becomes_a_heading_with_an_anchor():
    card = "**Exercise 6.1** · *Down* · difficulty ●○○○○ · importance ●●●○○ · 1 minute · 2 points"
    assert linked(f"Before.\n\n{card}\n\nAfter.", "06", NOTEBOOKS) == (
        'Before.\n\n<a id="exercise-6.1"></a>\n\n### Exercise 6.1: Down\n\n'
        "difficulty ●○○○○ · importance ●●●○○ · 1 minute · 2 points\n\nAfter."
    )
