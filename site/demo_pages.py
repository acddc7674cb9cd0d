"""Which demo stands on which page, with the figure that is shown where it can't run."""

from dataclasses import dataclass

TEXT = """\
## Try it here

{about}

<div class="demo" data-demo="{name}">
<p class="demo-note" role="status">The demo starts when its networks are loaded.</p>
{still}
</div>
"""


@dataclass(frozen=True)
class Demo:
    """A demo at the beginning of a notebook's page."""

    name: str
    """As in ``demos/start.js``."""
    figure: int
    """Number of the page's figure that stands in for it."""
    about: str

    def text(self, still: str) -> str:
        """Markdown of the section; `still` is the figure's HTML."""
        return TEXT.format(name=self.name, about=self.about, still=still)


DEMOS = {
    "01_adversarial_examples": Demo(
        "adversarial", 2,
        "Move every colour value of a photo by epsilon, in the direction that the classifier's "
        "gradient gives. At which epsilon does the label change, and at which do you see it?",
    ),
    "02_minimax_game": Demo(
        "plane", 7,
        "Train a GAN on points of a plane, in this page. Choose data or draw your own, and compare "
        "the two losses, k, the learning rates and the R1 penalty. When does G lose modes?",
    ),
    "03_dcgan": Demo(
        "digits", 3,
        "The generator that this notebook trains. The sliders move along the directions of latent "
        "space in which its digits vary most.",
    ),
    "04_inside_dcgan": Demo(
        "digits", 2,
        "The generator that this notebook examines. Start a walk between two latent vectors: does "
        "each image on the way look like a digit? Which training digits are nearest?",
    ),
    "05_conditional_gan": Demo(
        "labels", 3,
        "One column per label, one row per latent vector. Does a style, such as slant or stroke "
        "width, stay the same along a row?",
    ),
    "06_lapgan": Demo(
        "pyramid", 8,
        "Four GANs in a chain. Give one of them new noise: everything coarser stays, everything "
        "finer changes. Which of them decides the flower's colour?",
    ),
    "07_text_to_image": Demo(
        "sentence", 3,
        "Type a sentence. The text encoder and the generator both run in this page. Which words "
        "does G follow, and which does it ignore?",
    ),
    "08_srgan": Demo(
        "enlarge", 6,
        "Compare three enlargements of a photo, or of one of yours, which never leaves this "
        "browser. Where does SRGAN invent detail?",
    ),
    "09_cyclegan": Demo(
        "translate", 3,
        "Translate a flower by day to dusk, and back. Does the last image equal the first?",
    ),
    "11_your_own_gan": Demo(
        "galaxies", 2,
        "The generator of galaxies that this notebook trains, with the controls of the page that "
        "the notebook exports.",
    ),
}  # fmt: skip
