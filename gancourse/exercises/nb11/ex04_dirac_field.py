"""Exercise 11.4: the gradient field of the Dirac-GAN."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, observe_call
from gancourse.exercises.differences import GRADIENT
from gancourse.exercises.parts import Part
from gancourse.papers.dirac import dirac_field


def points(rng: torch.Generator) -> list[Case]:
    """A grid without gradients, points with them, the equilibrium, and no penalty."""

    def plane(*shape: int, trained: bool = True) -> tuple[Tensor, Tensor]:
        both = (1.4 * torch.randn(shape, generator=rng) for _ in range(2))
        theta, psi = ((x + 0.4 * x.sign()).requires_grad_(trained) for x in both)
        return theta, psi

    def weights() -> tuple[float, float]:
        return tuple((torch.rand(2, generator=rng) + torch.tensor([0.2, 1.3])).tolist())

    zero = tuple(torch.zeros((), requires_grad=True) for _ in range(2))
    return [
        Case((*plane(5), *weights()), note="at 5 points"),
        Case((*plane(3, 4, trained=False), *weights()), note="on a grid of 3 x 4 points"),
        Case((*zero, *weights()), note="at the point (0, 0)"),
        Case((*plane(), 0.0, 0.0), note="at one point, without penalties"),
    ]


def observe_field(answer: Callable[..., Any], case: Case) -> Observation:
    """Both velocities, and the gradient of a weighted sum of them at theta and psi."""
    seen = dict(observe_call(answer, case))
    many = sum(name.startswith("result ") for name in seen)
    if many != 2:
        raise AnswerError(
            "Return two tensors of the shape of theta: d theta/dt and d psi/dt, in this order."
        )
    names = {"result 1": "d theta/dt", "result 2": "d psi/dt"}
    trained = case.args[0].requires_grad  # if not, Watched says that it was changed
    kept = {n: x for n, x in seen.items() if trained or not n.startswith(GRADIENT)}
    return {names.get(name, name): value for name, value in kept.items()}


Field = Callable[[Tensor, Tensor, float, float], Any]


def field_like(
    of_theta: Callable[[Tensor, Tensor], Tensor] = lambda t, p: (-p * t).sigmoid() * p,
    of_psi: Callable[[Tensor, Tensor], Tensor] = lambda t, p: -(p * t).sigmoid() * t,
    penalty: Callable[..., Tensor] = lambda t, p, a, b: -(a + b) * p,
    signs: tuple[float, float] = (1, 1),
    swapped: bool = False,
) -> Field:
    """Make a field in closed form, with a slip if asked for."""

    def field(theta: Tensor, psi: Tensor, gamma_1: float, gamma_2: float) -> Any:
        first = signs[0] * of_theta(theta, psi)
        second = signs[1] * (of_psi(theta, psi) + penalty(theta, psi, gamma_1, gamma_2))
        return (second, first) if swapped else (first, second)

    return field


def by_autograd(
    total: Callable[[Tensor], Tensor] = torch.sum,
    graph: bool = True,
    loss_G: Callable[[Tensor, Tensor], Tensor] = lambda real, fake: F.softplus(real - fake),
    real: float = 0.0,
) -> Field:
    """Make a field from the losses themselves."""

    def field(theta: Tensor, psi: Tensor, gamma_1: float, gamma_2: float) -> Any:
        with torch.enable_grad():
            zero = torch.zeros_like(theta).requires_grad_()
            theta, psi = theta + zero, psi + zero  # both have a graph now, whatever was given
            a, b = psi * real, psi * theta
            loss_D = F.softplus(b - a) + (gamma_1 + gamma_2) / 2 * psi.square()
            (g,) = torch.autograd.grad(total(loss_G(a, b)), theta, create_graph=graph)
            (d,) = torch.autograd.grad(total(loss_D), psi, create_graph=graph)
        return -g, -d

    return field


def by_func(theta: Tensor, psi: Tensor, gamma_1: float, gamma_2: float) -> Any:
    """With torch.func: one parameter of each loss, for all points at once."""

    def d_loss(psi: Tensor, theta: Tensor) -> Tensor:
        return (F.softplus(psi * theta) + gamma_1 / 2 * psi**2 + gamma_2 / 2 * psi**2).sum()

    def g_loss(theta: Tensor, psi: Tensor) -> Tensor:
        return F.softplus(-psi * theta).sum()

    return -torch.func.grad(g_loss)(theta, psi), -torch.func.grad(d_loss)(psi, theta)


def by_exponentials(theta: Tensor, psi: Tensor, gamma_1: float, gamma_2: float) -> list[Tensor]:
    e = torch.exp(theta * psi)
    return [psi / (1 + e), -theta * e / (1 + e) - gamma_1 * psi - gamma_2 * psi]


SLIPS = {
    "Each player follows minus the gradient of its own loss: both of your signs are "
    "reversed.": field_like(signs=(-1, -1)),
    "G's sign is reversed: d theta/dt is minus the derivative of G's loss.": field_like(
        signs=(-1, 1)
    ),
    "D's sign is reversed: d psi/dt is minus the derivative of D's loss.": field_like(
        signs=(1, -1)
    ),
    "The penalties drive psi away from 0: D minimizes them, so their part is minus gamma "
    "psi.": field_like(penalty=lambda t, p, a, b: (a + b) * p),
    "The penalties are missing: R1 and R2 are psi squared here, D's squared slope.": field_like(
        penalty=lambda t, p, a, b: 0 * p
    ),
    "The derivative of gamma/2 psi² is gamma psi: the factor 1/2 cancels.": field_like(
        penalty=lambda t, p, a, b: -(a + b) / 2 * p
    ),
    "The derivative of gamma/2 psi² is gamma psi: you counted the factor 2 twice.": field_like(
        penalty=lambda t, p, a, b: -2 * (a + b) * p
    ),
    "D(x) = psi x has the slope psi everywhere, also at the fake: gamma_2 counts as gamma_1 "
    "does.": [
        field_like(penalty=lambda t, p, a, b: -a * p),
        field_like(penalty=lambda t, p, a, b: -b * p),
    ],
    "R2 is D's squared slope at the fake, psi², not theta².": field_like(
        penalty=lambda t, p, a, b: -a * p - b * t
    ),
    "Your penalty is psi² itself. A velocity holds its derivative.": [
        field_like(penalty=lambda t, p, a, b: -(a + b) * p**2),
        field_like(penalty=lambda t, p, a, b: -(a + b) / 2 * p**2),
    ],
    "G follows the saturating loss: with the pairing loss it is sigmoid(-psi theta) psi.": [
        field_like(of_theta=lambda t, p: (p * t).sigmoid() * p),
        by_autograd(loss_G=lambda real, fake: -F.softplus(fake - real)),
    ],
    "G follows D's goal: its loss is softplus(-(fake - real)).": [
        field_like(of_theta=lambda t, p: -(p * t).sigmoid() * p),
        by_autograd(loss_G=lambda real, fake: F.softplus(fake - real)),
    ],
    "D's part has the sigmoid of -psi theta: the derivative of softplus(t) is sigmoid(t), and t is "
    "psi theta for D.": field_like(of_psi=lambda t, p: -(-p * t).sigmoid() * t),
    "The factor sigmoid(...) is missing, the derivative of softplus: this is the field of a "
    "Wasserstein GAN.": field_like(lambda t, p: p, lambda t, p: -t),
    "These are derivatives with respect to the logit psi theta. Multiply by psi for G and by theta "
    "for D (chain rule).": field_like(
        lambda t, p: (-p * t).sigmoid(), lambda t, p: -(p * t).sigmoid()
    ),
    "The inner derivatives are swapped: d(psi theta)/d theta is psi, and d(psi theta)/d psi is "
    "theta.": field_like(lambda t, p: (-p * t).sigmoid() * t, lambda t, p: -(p * t).sigmoid() * p),
    "The two velocities are swapped: first d theta/dt, then d psi/dt.": field_like(swapped=True),
    "The penalties belong to D's loss only: they don't move theta.": lambda t, p, a, b: (
        (-p * t).sigmoid() * p - (a + b) * t, -(p * t).sigmoid() * t - (a + b) * p
    ),
    "The values are right, but can't be differentiated once more, for the Jacobian: pass "
    "create_graph=True, and detach nothing.": [
        by_autograd(graph=False),
        lambda *args: tuple(x.detach() for x in dirac_field(*args)),
        lambda t, p, a, b: dirac_field(t.detach(), p.detach(), a, b),
    ],
    "Differentiate the sum over the points: a mean divides every velocity by their "
    "number.": by_autograd(torch.mean),
    "Real data are the point 0, where D(0) = psi 0 = 0, not psi.": by_autograd(real=1.0),
}  # fmt: skip

EXERCISE = Exercise(
    id="11.4",
    title="The Dirac-GAN's gradient field",
    points=4,
    minutes=20,
    reference=dirac_field,
    cases=points,
    observe=observe_field,
    parts=(
        Part("G's velocity", 1, ("d theta/dt",)),
        Part("D's velocity", 2, ("d psi/dt",)),
    ),
    slips=SLIPS,
    alternatives=(field_like(), by_autograd(), by_func, by_exponentials),
    advice="At theta = psi = 1 with gammas 0.3 and 0.2 the velocities are +0.269 and -1.231.",
)
