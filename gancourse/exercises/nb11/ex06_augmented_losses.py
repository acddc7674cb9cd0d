"""Exercise 11.6: D sees augmented images only."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor, copied
from gancourse.exercises.differences import GRADIENT
from gancourse.exercises.nb02.ex09_r1_penalty import Curved
from gancourse.exercises.nb11.ex03_pairing_losses import as_pair
from gancourse.exercises.observe import images, integer, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import gan
from gancourse.papers.diffaugment import augmented_losses
from gancourse.papers.r3gan import pairing_losses

SIZES = ((5, 3, 2, 4), (4, 1, 3, 2))
AT_FAKES = f"{GRADIENT}`fakes` from loss_"


def batches(rng: torch.Generator) -> list[Case]:
    """Two batches of different shapes: D, real images, fakes with a gradient, T's seed."""
    return [
        Case(
            (Curved(torch.Size(shape[1:]).numel(), rng), images(rng, *shape),
             (images(rng, *shape) * 0.8).requires_grad_(), integer(rng, 0, 10**6)),
            note=f"on {shape[0]} images of shape {shape[1:]}",
        )
        for shape in SIZES
    ]  # fmt: skip


class Augmentation:
    """T: a factor and a shift of its own for each image, new at each call; `calls` lists them."""

    def __init__(self, seed: int) -> None:
        self.rng = seeded(seed)
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, x: Tensor) -> Tensor:
        factor, shift = self.draw(x)
        self.calls.append((x.detach().clone(), factor, shift))
        return factor * x + shift

    def draw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shape = (len(x), *[1] * (x.dim() - 1))
        factor = 0.4 + 1.2 * torch.rand(shape, generator=self.rng)
        return factor, torch.rand(shape, generator=self.rng) - 0.5

    def of(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The numbers that were drawn for these images, first time, second time and so on.

        It makes no difference whether T got them as a batch, with others, or one by one.
        """
        rows = [row for call in self.calls for row in zip(*call, strict=True)]
        drawn = [
            [(factor, shift) for image, factor, shift in rows if image.equal(one)]
            for one in x.detach()
        ]
        times = [list(zip(*numbers, strict=True)) for numbers in zip(*drawn, strict=False)]
        return [(torch.stack(factors), torch.stack(shifts)) for factors, shifts in times]


def observe_losses(answer: Callable[..., Any], case: Case) -> Observation:
    """Both losses and gradients; those that are right for T's own numbers become canonical."""
    D, x, fakes, seed = copied(case.args)
    T = Augmentation(seed)
    losses = as_pair(answer(D, x, fakes, T))
    seen = measured(losses, D, fakes)
    for_real, for_fake = T.of(x), T.of(fakes)
    canonical = [Augmentation(seed + n).draw(x) for n in (1, 2, 3)]
    right = augmented(D, x, fakes, *canonical)
    kept: set[str] = set()
    used: dict[str, set[int]] = {"D": set(), "G": set()}
    for n, b in enumerate(for_fake):
        for a in for_real:
            now = augmented(D, x, fakes, a, b, b)
            for player in "DG":
                if agree(now[f"loss_{player}"], seen[f"loss_{player}"]):
                    used[player].add(n)
                    names = [name for name in now if name.endswith(player)]
                    kept |= {name for name in names if agree(now[name], seen[name])}
    if used["D"] and used["D"] == used["G"] and len(used["D"]) == 1:
        raise AnswerError("The same output of T(fakes) is used in both turns.")
    return {name: right[name] if name in kept else value for name, value in seen.items()}


def augmented(D: nn.Module, x: Tensor, fakes: Tensor, *numbers: Any) -> dict[str, Tensor]:
    """What is observed of right losses, with given numbers for real, for fakes in D's and G's turn.

    Names end with the player whose loss it is.
    """
    (a, s), (b, t), (c, u) = numbers
    fakes = fakes.detach().requires_grad_()
    loss_D = gan.discriminator_loss(D(a * x + s), D(b * fakes.detach() + t))
    return measured(
        {"loss_D": loss_D, "loss_G": gan.non_saturating_loss(D(c * fakes + u))}, D, fakes
    )


def measured(losses: dict[str, Any], D: nn.Module, fakes: Tensor) -> dict[str, Tensor]:
    """Each loss; the gradient from it at the fakes; and of loss_D at D's weights."""
    seen = {name: as_tensor(loss, name) for name, loss in losses.items()}
    seen = {name: x.reshape(()) if x.numel() == 1 else x for name, x in seen.items()}
    for player in "DG":
        seen[f"{AT_FAKES}{player}"] = gradient(losses[f"loss_{player}"], fakes)
    for name, p in D.named_parameters():
        seen[f"{GRADIENT}D's {name} from loss_D"] = gradient(losses["loss_D"], p)
    return seen


def gradient(loss: Any, at: Tensor) -> Tensor:
    """The gradient of a loss at a tensor; empty where there is none."""
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return torch.zeros(0)
    try:
        (g,) = torch.autograd.grad(loss.sum(), at, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        raise AnswerError(
            "Your losses can't be differentiated: is there a backward(), or a tensor that is "
            f"changed in place? torch says: {str(error).splitlines()[0][:90]}"
        ) from None
    return torch.zeros(0) if g is None or not g.any() else g.detach()


def agree(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b.to(a.dtype), rtol=1e-4, atol=1e-6)


# Losses with and without slips -------------------------------------------------------------------
Image = Callable[[Tensor], Tensor]


def same(x: Tensor) -> Tensor:
    return x


def losses_like(
    real: Callable[[Image], Image] = lambda T: T,
    fake: Callable[[Image], Image] = lambda T: lambda x: T(x.detach()),
    in_G: Callable[[Image], Image] = lambda T: T,
    loss_D: Callable[[Tensor, Tensor], Any] = gan.discriminator_loss,
    loss_G: Callable[[Tensor], Any] = gan.non_saturating_loss,
    swapped: bool = False,
) -> Callable[..., tuple]:
    """Make both losses from what D sees in place of T(x), T(fakes), T(fakes)."""

    def losses(D: nn.Module, x: Tensor, fakes: Tensor, T: Image) -> tuple:
        both = loss_D(D(real(T)(x)), D(fake(T)(fakes))), loss_G(D(in_G(T)(fakes)))
        return both[::-1] if swapped else both

    return losses


def none(T: Image) -> Image:
    return same


def cut(T: Image) -> Image:
    return lambda x: x.detach()


def without_graph(T: Image) -> Image:
    def apply(x: Tensor) -> Tensor:
        with torch.no_grad():
            return T(x)

    return apply


def after(T: Image) -> Image:
    return lambda x: T(x).detach()


def twice(T: Image) -> Image:
    return lambda x: T(T(x))


def one_call(D: nn.Module, x: Tensor, fakes: Tensor, T: Image) -> tuple:
    """Real and fake through T and D as one batch, then two halves."""
    real, fake = D(T(torch.cat([x, fakes.detach()]))).split([len(x), len(fakes)])
    return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-D(T(fakes))).mean()


def generator_first(D: nn.Module, x: Tensor, fakes: Tensor, T: Image) -> list:
    """In another order, with labels, and with D frozen in G's turn."""
    with gan.frozen(D):
        fake = D(T(fakes))
    bce = F.binary_cross_entropy_with_logits
    loss_G = bce(fake, torch.ones_like(fake))
    with torch.no_grad():
        seen = T(fakes)
    fake, real = D(seen), D(T(x))
    return [bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)), loss_G]


def reused(D: nn.Module, x: Tensor, fakes: Tensor, T: Image) -> tuple:
    seen = T(fakes)
    loss_D = gan.discriminator_loss(D(T(x)), D(seen.detach()))
    return loss_D, gan.non_saturating_loss(D(seen))


def pooled(D: nn.Module, x: Tensor, fakes: Tensor, T: Image) -> tuple:
    loss_D = torch.cat([F.softplus(-D(T(x))), F.softplus(D(T(fakes.detach())))]).mean()
    return loss_D, gan.non_saturating_loss(D(T(fakes)))


def pairing(D: nn.Module, x: Tensor, fakes: Tensor, T: Image) -> tuple:
    real = D(T(x))
    loss_D, _ = pairing_losses(real, D(T(fakes.detach())))
    return loss_D, pairing_losses(real, D(T(fakes)))[1]


SLIPS = {
    "T is missing everywhere: D sees the images as they are.": losses_like(none, cut, none),
    "Only real images are augmented, so they are what D calls real, and G learns to draw augmented "
    "images. Augment the fakes, too, in both turns.": losses_like(fake=cut, in_G=none),
    "Only fakes are augmented: D recognizes them by that. Augment the real images, "
    "too.": losses_like(real=none),
    "In G's turn D sees fakes that are not augmented, unlike those it was trained on: "
    "D(T(fakes)).": losses_like(in_G=none),
    "In D's turn the fakes are not augmented: D(T(fakes.detach())).": losses_like(fake=cut),
    "T is missing in D's turn, and D is asked about images in G's turn that it has never "
    "seen.": losses_like(none, cut),
    "No gradient of loss_G reaches the fakes, so G can't learn: in its turn T and its output need "
    "their graph. (T is differentiable.)": [
        losses_like(in_G=without_graph), losses_like(in_G=after),
        losses_like(in_G=lambda T: lambda x: T(x.detach())),
    ],
    "loss_D sends a gradient into the fakes, so D's turn would change G, or compute this for "
    "nothing: detach the fakes first.": losses_like(fake=lambda T: T),
    "T draws new numbers at each call. Call it again in G's turn: D has changed since, and G gets "
    "another view of its fakes.": reused,
    "You apply T twice. Once is what D sees in every turn.": losses_like(
        twice, lambda T: lambda x: T(T(x.detach())), twice
    ),
    "G's loss is the saturating one. Notebook 02's is -log D(T(fakes)), "
    "non_saturating_loss.": losses_like(loss_G=gan.saturating_loss),
    "G's sign or label is wrong: it would learn to be recognized.": [
        losses_like(loss_G=lambda fake: F.softplus(fake).mean()),
        losses_like(loss_G=lambda fake: -F.softplus(-fake).mean()),
    ],
    "D's labels are swapped: real is 1 and fake is 0.": losses_like(
        loss_D=lambda real, fake: gan.discriminator_loss(fake, real)
    ),
    "The sign of D's loss is wrong: D minimizes discriminator_loss.": losses_like(
        loss_D=lambda real, fake: -gan.discriminator_loss(real, fake)
    ),
    "D's loss is the sum of its two means, as in notebook 02, not half of it.": [
        losses_like(loss_D=lambda real, fake: gan.discriminator_loss(real, fake) / 2), pooled,
    ],
    "A loss is the mean over the batch, not the sum.": losses_like(
        loss_D=lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),
        loss_G=lambda fake: F.softplus(-fake).sum(),
    ),
    "These are pairing losses. The card asks for those of notebook 02.": pairing,
    "The losses take logits, as D returns them: leave out the sigmoid.": losses_like(
        loss_D=lambda real, fake: gan.discriminator_loss(real.sigmoid(), fake.sigmoid()),
        loss_G=lambda fake: gan.non_saturating_loss(fake.sigmoid()),
    ),
    "The two losses are swapped: return loss_D, loss_G.": losses_like(swapped=True),
    "D's turn needs the real images x, and you augment fakes only.": (
        lambda D, x, fakes, T: (
            gan.discriminator_loss(D(T(fakes.detach())), D(T(fakes.detach()))),
            gan.non_saturating_loss(D(T(fakes))),
        )
    ),
}  # fmt: skip

EXERCISE = Exercise(
    id="11.6",
    title="Augment what D sees",
    points=3,
    minutes=15,
    reference=augmented_losses,
    cases=batches,
    observe=observe_losses,
    parts=(
        Part("loss_D", 1, ("loss_D", "*from loss_D")),
        Part("loss_G", 1, ("loss_G", "*from loss_G")),
    ),
    slips=SLIPS,
    alternatives=(losses_like(), one_call, generator_first, losses_like(fake=without_graph),
                  losses_like(fake=after)),
    advice="D is called three times: on T(x), on T(fakes) without a gradient, and on T(fakes) with "
    "one. Which of the three differs in your code?",
)  # fmt: skip
