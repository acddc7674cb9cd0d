"""Right and wrong answers to the exercises of notebook 08, and how they are observed."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import number
from gancourse.metrics.images import luminance


def pictures(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=rng) * 2 - 1


# 8.1 -------------------------------------------------------------------------------------------
def psnr_cases(rng: torch.Generator) -> list[Case]:
    cases = []
    for border in (4, number(rng, 1, 3)):
        real = pictures(rng, 2, 3, 12, 14)
        noise = 0.3 * torch.rand(2, 1, 1, 1, generator=rng) + 0.1
        x = (real + noise * torch.randn(real.shape, generator=rng)).clamp(-1, 1)
        cases.append(Case((x, real, border), note=f"on 2 pictures, with border={border}"))
    return cases


def psnr_like(
    crop: bool = True,
    see: Callable[[Tensor], Tensor] = luminance,
    log: Callable[[Tensor], Tensor] = torch.log10,
    factor: float = 10,
    peak: float = 255,
    one: bool = False,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a `psnr`, with a slip if asked for."""

    def psnr(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
        error = see(x) - see(real)
        if crop:
            error = error[..., border:-border, border:-border]
        mse = error.square().mean() if one else error.square().flatten(1).mean(dim=1)
        return factor * log(peak**2 / mse)

    return psnr


def psnr_by_norm(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
    """The difference first, since Y is linear but for its offset; then 20 log of a root."""
    height, width = x.shape[2:]
    inside = (x - real)[:, :, border : height - border, border : width - border] / 2
    r, g, b = inside.unbind(1)
    error = (65.481 * r + 128.553 * g + 24.966 * b).flatten(1)
    return 20 * (255 / error.pow(2).mean(1).sqrt()).log10()


# 8.2 and 8.6 -----------------------------------------------------------------------------------
def watch_in_order(net: Any, rng: torch.Generator, *shape: int) -> Observation:
    """What a network is and does; weights are filled in the order in which the layers run.

    So it does not matter in which order they were written down.
    """
    if not isinstance(net, nn.Module):
        raise AnswerError(f"Expected a network (an nn.Module), got a {type(net).__name__}.")
    ran: list[nn.Module] = []
    leaves = [m for m in net.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(lambda m, *_: ran.append(m)) for m in leaves]
    x = pictures(rng, *shape)
    with torch.no_grad():
        net.train()(x)
    x.requires_grad_()
    for hook in hooks:
        hook.remove()
    for layer in leaves:  # forget that pass
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
    with torch.no_grad():
        for p in dict.fromkeys(p for m in [*ran, net] for p in m.parameters()):
            spread = 1.4 / max(1, p[0].numel()) ** 0.5 if p.dim() > 1 else 0.4  # keeps its scale
            p.copy_(torch.randn(p.shape, generator=rng) * spread + (0.3 if p.dim() == 1 else 0))
    y = net(x)
    if not isinstance(y, Tensor):
        raise AnswerError(f"forward should return a tensor, got a {type(y).__name__}.")
    if not y.requires_grad:
        raise AnswerError("The output has no gradient: is there a detach() or no_grad() in it?")
    (slope,) = torch.autograd.grad(y.square().sum(), x)
    with torch.no_grad():
        one = net.eval()(x[:1])
    sizes = sorted(p.numel() for p in net.parameters())
    return {
        "number of weights and biases": torch.tensor(sum(sizes)),
        "sizes of the weights and biases, sorted": torch.tensor(sizes),
        "output": y.detach(),
        "a batch of one, in eval mode": one,
        "gradient at the input": slope,
    }


def observe_block(answer: Callable[[int], nn.Module], case: Case) -> Observation:
    width, seed = case.args
    return watch_in_order(answer(width), torch.Generator().manual_seed(seed), 3, width, 5, 4)


class BlockLike(nn.Module):
    """A residual block, with a slip if asked for; its layers are written down by kind."""

    def __init__(
        self,
        width: int = 64,
        *,
        act: Callable[[int], nn.Module] = lambda width: nn.PReLU(),
        bias: bool = False,
        second_norm: bool = True,
        skip: bool = True,
        last: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.norm1 = nn.BatchNorm2d(width)
        self.norm2 = nn.BatchNorm2d(width) if second_norm else nn.Identity()
        self.act, self.last, self.skip = act(width), last(), skip

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        return self.last(x + h if self.skip else h)


# 8.3 -------------------------------------------------------------------------------------------
def shuffle_cases(rng: torch.Generator) -> list[Case]:
    cases = []
    for r in (2, 3):
        height, width, channels = number(rng, 2, 3), number(rng, 4, 5), number(rng, 2, 3)
        x = pictures(rng, 2, channels * r * r, height, width)
        cases.append(Case((x, r), note=f"on {tuple(x.shape)}, with r={r}"))
    return cases


def shuffle_like(
    split: str = "crr", order: tuple[int, ...] = (0, 1, 4, 2, 5, 3)
) -> Callable[[Tensor, int], Tensor]:
    """Make a pixel shuffle that splits the channels and orders the six axes as asked for."""

    def shuffle(x: Tensor, r: int) -> Tensor:
        batch, channels, height, width = x.shape
        colours = channels // r**2
        parts = (colours, r, r) if split == "crr" else (r, r, colours)
        x = x.reshape(batch, *parts, height, width)
        return x.permute(*order).reshape(batch, colours, r * height, r * width)

    return shuffle


def shuffle_by_slices(x: Tensor, r: int) -> Tensor:
    """Every r-th pixel of the result is a channel of the input."""
    batch, channels, height, width = x.shape
    large = x.new_zeros(batch, channels // r**2, r * height, r * width)
    for i in range(r):
        for j in range(r):
            large[:, :, i::r, j::r] = x[:, i * r + j :: r * r]
    return large


# 8.5 -------------------------------------------------------------------------------------------
def content_cases(rng: torch.Generator) -> list[Case]:
    return [Case((pictures(rng, 2, 3, 6, 6), pictures(rng, 2, 3, 6, 6), number(rng, 0, 10**6)))]


def two_maps(seed: int) -> Callable[[Tensor], list[Tensor]]:
    """A frozen network of two layers that returns what comes out of each."""
    rng = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(4, c, 3, 3, generator=rng) * 0.4 for c in (3, 4))

    def phi(x: Tensor) -> list[Tensor]:
        a = F.conv2d(x, first).tanh()
        return [a, F.conv2d(a, second, stride=2)]

    return phi


def observe_content(answer: Callable[..., Any], case: Case) -> Observation:
    fake, real = (x.clone().requires_grad_() for x in case.args[:2])
    loss = answer(two_maps(case.args[2]), fake, real)
    value = as_tensor(loss)
    if isinstance(loss, Tensor) and loss.requires_grad:
        slopes = torch.autograd.grad(loss.sum(), (fake, real), allow_unused=True)
    else:
        slopes = (None, None)
    return {
        "loss": value,
        "a gradient reaches the generated picture": torch.tensor(slopes[0] is not None),
        "none is computed for the real one": torch.tensor(slopes[1] is None),
        "gradient at the generated picture": torch.zeros(1) if slopes[0] is None else slopes[0],
    }


def content_like(
    distance: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    detach: bool = True,
    reduce: Callable[[Tensor], Tensor] = torch.mean,
    maps: slice = slice(None),
    rebuild: bool = False,
) -> Callable[..., Tensor]:
    """Make a content loss, with a slip if asked for."""

    def content_loss(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
        wanted = [b.detach() if detach else b for b in phi(real)]
        pairs = list(zip(phi(fake), wanted, strict=True))[maps]
        losses = [distance(a, b) for a, b in pairs]
        return (
            torch.tensor([x.item() for x in losses]).mean()
            if rebuild
            else reduce(torch.stack(losses))
        )

    return content_loss


def of_pixels(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    return F.mse_loss(fake, real.detach())


def content_in_a_loop(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    """Two lists, a running sum."""
    ours, wanted = phi(fake), phi(real.detach())
    total = 0
    for a, b in zip(ours, wanted, strict=True):
        total = total + ((a - b) ** 2).mean()
    return total / len(ours)


# 8.7 -------------------------------------------------------------------------------------------
def loss_cases(rng: torch.Generator) -> list[Case]:
    fake = 4 * torch.randn(6, generator=rng)
    content = 0.02 * torch.rand((), generator=rng)
    sure = torch.full((3,), -150.0)
    return [
        Case((content, fake), note="on 6 logits"),
        Case((content, sure), note="where D is sure of a fake (logits of -150)"),
    ]


def loss_like(
    adversarial: Callable[[Tensor], Tensor] = lambda fake: F.softplus(-fake).mean(),
    weight: float = 1e-3,
    content_weight: float = 1.0,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a generator's loss, with a slip if asked for."""

    def generator_loss(content: Tensor, fake: Tensor) -> Tensor:
        return content_weight * content + weight * adversarial(fake)

    return generator_loss
