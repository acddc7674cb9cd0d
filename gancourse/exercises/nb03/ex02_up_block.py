"""Exercise 3.2: an upsampling block."""

from collections.abc import Callable, Iterable

from torch import nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, Slip
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import blocks

BN, ReLU, LReLU = nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU


def observe_layers(answer: Callable[..., Iterable[nn.Module]], case: Case) -> Observation:
    c_in, c_out, seed = case.args
    layers = answer(c_in, c_out)
    if layers is None:
        raise AnswerError("up_block returned nothing. Is a `return` missing?")
    if isinstance(layers, nn.Module) and not isinstance(layers, nn.Sequential):
        raise AnswerError("Return a list of the three layers: it is unpacked, *up_block(8, 4).")
    net = layers if isinstance(layers, nn.Module) else nn.Sequential(*layers)
    return observe_network(net, seeded(seed), (2, c_in, 4, 4))


def up_layers(
    *after: type[nn.Module], bias: bool = False, kernel: int = 4
) -> Callable[[int, int], list[nn.Module]]:
    """Make an up_block with other layers behind the convolution."""

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        conv = nn.ConvTranspose2d(c_in, c_out, kernel, 2, (kernel - 1) // 2, bias=bias)
        made = {
            nn.BatchNorm2d: lambda: nn.BatchNorm2d(c_out),
            nn.LeakyReLU: lambda: nn.LeakyReLU(0.2),
        }
        return [conv, *[made.get(kind, kind)() for kind in after]]

    return block


EXERCISE = Exercise(
    id="3.2",
    title="An upsampling block",
    points=2,
    minutes=10,
    reference=blocks.up_block,
    cases=lambda rng: integers(rng, (2, 4), (3, 5)) + integers(rng, (2, 4), (3, 5)),
    observe=observe_layers,
    slips=(
        Slip(
            up_layers(BN, ReLU, bias=True),
            "Batch norm subtracts the mean, so a bias in the convolution before it does "
            "nothing: pass bias=False.",
        ),
        Slip(up_layers(ReLU), "Batch norm is missing: guideline 2 wants it in every block."),
        Slip(
            up_layers(ReLU, BN),
            "Batch norm comes before the ReLU: normalise first, then clip.",
        ),
        Slip(
            up_layers(BN, LReLU),
            "LeakyReLU belongs to the discriminator; the generator has ReLU (guideline 4).",
        ),
        Slip(
            up_layers(BN, ReLU, kernel=3),
            "A 3 x 3 kernel with stride 2 doesn't double the side: try your formula of 3.1.",
        ),
        Slip(up_layers(BN), "The ReLU is missing."),
    ),
    alternatives=(
        up_layers(BN, ReLU),
        lambda c_in, c_out: nn.Sequential(*blocks.up_block(c_in, c_out)),
    ),
)
