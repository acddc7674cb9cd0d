"""A GAN for a set of images: everything that a run needs, set up by one function.

Notebook 11 builds it from an empty cell, out of the parts of the earlier notebooks.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gancourse import env
from gancourse.datasets.batches import Batches
from gancourse.papers.gan import gan_step, lazy_r1
from gancourse.shapes import Bytes
from gancourse.training.player import Player

SIZE, RATE, DECAY = 32, 2e-3, 0.999
"""Images per batch; Adam's learning rate, of both players; decay of the EMA."""
GAMMA, EVERY = 0.1, 8
"""Weight of R1, and at which steps it is applied."""


def my_gan(
    G: nn.Module, D: nn.Module, images: Bytes, steps: int, rng: torch.Generator
) -> tuple[Callable[[], Mapping[str, Tensor]], dict[str, Any], nn.Module]:
    """Set up a run of so many iterations; nothing is trained yet. First built in notebook 11.

    The losses of 2014 with lazy R1, Adam with learning-rate decay, and an EMA of G's weights.

    Parameters
    ----------
    G, D : nn.Module
        Untrained networks, trained in place: latent vectors (m, ``G.noise_dim``) to images in
        [-1, 1], and images to logits (m,).
    images : Bytes
        uint8 (N, C, side, side), any N and side; not changed.
    steps : int
        Length of the run, for the learning-rate decay.
    rng : torch.Generator
        The only source of randomness, on the device of the images.

    Returns
    -------
    step : Callable[[], Mapping[str, Tensor]]
        ``step()`` makes one iteration, D's turn and then G's, and returns "loss_D" and "loss_G":
        detached scalars, in nats.
    keep : dict[str, Any]
        Everything with a state that training continues from, for `loop.train`.
    average : nn.Module
        The network to draw samples with, with normal latent vectors: the EMA of G's weights.
    """
    players = {
        "G": Player(G, lr=RATE, steps=steps, ema=DECAY),
        "D": Player(D, lr=RATE, steps=steps),
    }
    batches, sample_z = Batches(images, size=SIZE, rng=rng), env.noise(G.noise_dim, rng)
    r1 = lazy_r1(GAMMA, EVERY)
    opt_G, opt_D = players["G"].opt, players["D"].opt

    def step() -> Mapping[str, Tensor]:
        penalty = r1 if players["D"].done % EVERY == 0 else None
        losses = gan_step(
            G, D, opt_G, opt_D, batches, sample_z, penalty=penalty, autocast=env.autocast
        )
        for player in players.values():
            player.advance()  # learning-rate decay, EMA
        return losses

    return step, {**players, "rng": rng}, players["G"].average
