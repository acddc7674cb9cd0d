"""Rules about losses and the course of training. See `diagnosis`."""

import math

from gancourse.training.rule import Rule, Signs

ALIKE = 0.06  # a spread below it: one fake for all noise. Untrained networks have 0.16 and more

STEADY = 0.3  # distance of G's inputs over their length; 1.41 for normal noise


# Losses ------------------------------------------------------------------------------------------
def _labels(s: Signs) -> str:
    if s["share"] > 0.25:
        return (
            "The targets of D's turn are partly exchanged. Real examples get 1 and fakes 0, in "
            "tensors of the same shape as the logits: torch.ones_like(D(x))."
        )
    if s["wants_D"] == -1:
        return "D is trained with swapped labels (or sign) and G is not: real is 1, fake is 0."
    if s["wants_D"] == 1:
        return "G's label (or sign) is wrong: it should raise the logits of its fakes."
    if s["wants_D"] == 0:
        return "D's loss needs both kinds: real examples with label 1 and fakes with label 0."
    return (
        "If fakes have the higher logits, D is trained with swapped labels: real is 1, fake is 0. "
        "Otherwise G's label or sign is wrong: it should minimize -log D(G(z))."
    )


LOSSES = (
    Rule(
        "missing term",
        lambda s: s["wants_D"] == 0 and "missing" in s["note_D"],
        "loss_D follows from the logits of one kind alone ({loss_name_D}): {note_D}.",
        "Add both terms: real examples with label 1, and fakes with label 0.",
    ),
    Rule(
        "wrong labels",
        lambda s: s["wants_D"] == 0,
        "loss_D is the {loss_name_D} that results if {note_D}.",
        _labels,
    ),
    Rule(  # orientation of a loss: which kind gets the higher logits. Both -1 is a consistent game
        "wrong labels",
        lambda s: s["wants_D"] * s["wants_G"] == -1,
        "the logged losses follow from the logits ({loss_name_D}): D is trained to give real "
        "examples the {high_D} logits, and G to give its fakes the {high_G} ones. That is one "
        "goal, not two opposite ones. Mean logits: real {logit_real:.2g}, fake {logit_fake:.2g}.",
        _labels,
    ),
    Rule(  # one-sided smoothing to 0.9 gives 0.05, ten per cent of noisy labels 0.1
        "wrong labels",
        lambda s: s["share"] > 0.25,
        "loss_D is the cross-entropy with the wrong label for about {share:.0%} of the examples.",
        _labels,
    ),
    Rule(  # D's loss is at least -log(1 - D(G(z))), G's is -log D(G(z)): with one D they can't both
        # be small. Their sum is at least log 4 = 1.39, by convexity; 1 allows for D's step
        # between the turns. log(1 - D) is negative, so this does not apply to it.
        "wrong labels",
        lambda s: not s["terms"] and s["loss_G"] >= 0 and s["loss_D"] + s["loss_G"] < 1,
        "loss_D + loss_G is {loss_D:.2g} + {loss_G:.2g} nats; for opposite objectives the "
        "sum is 1.39 or more. Mean logits: real {logit_real:.2g}, fake {logit_fake:.2g}.",
        _labels,
    ),
    Rule(  # exp(-50): no data justify such certainty, where losses are in nats. At any time of the
        # run, since networks that have diverged often stop changing, with all units saturated
        "divergence",
        lambda s: (
            (s["worst"] > 50 and s["nats_D"] >= 0)
            or (max(s["jump_G"], s["jump_D"]) > 0.2 and s["distance_end"] > 0.25)
        ),
        "the largest loss or mean logit was {worst:.3g}; a step changed the weights by "
        "up to {jump_G:.0%} (G) and {jump_D:.0%} (D) of their norm.",
        "Divide the learning rates by 10; look for a log or a division that needs a lower bound.",
        needs=1,
    ),
)


# The course of training --------------------------------------------------------------------------
def _vanishing(s: Signs) -> str:
    if s["flat_G"] > 0.5:
        return (
            "G ends in a rounding, whose gradient is 0: leave it out in training; round what you "
            "show or save."
        )
    if s["cut_G"] > 0.5:
        return (
            "The fakes of G's turn are detached, or made under no_grad() or in D's turn: use "
            "D(G(z)) there, without detach()."
        )
    return (
        "If both are 0, no gradient flows from D to G: remove a detach or no_grad there, or look "
        "for units that are always 0. Otherwise use (leaky) ReLU between layers, batch norm, and "
        "an initialization that keeps the scale."
    )


def _saturated(at_start: bool) -> Rule:
    """From the start it is a cause, of initial weights; later a consequence."""
    return Rule(
        "saturated outputs",
        lambda s: (
            s["limit_fake"] > max(0.8, s["limit_real"] + 0.4)
            and (s["limit_start"] > 0.5) == at_start
        ),
        "{limit_fake:.0%} of the fakes' values are within 1 % of -1 or 1, or beyond; of the data's "
        "{limit_real:.0%}. A tanh is flat there, so G hardly gets a gradient.",
        "Smaller initial weights in G (standard deviation 0.02), a lower learning rate, or batch "
        "norm before the last layer.",
    )


def _collapse(s: Signs) -> str:
    if s["noise"] < STEADY:
        return (
            f"G's inputs hardly differ: {s['noise']:.1%} of their length, where normal noise has "
            "141 %. Draw new noise for every row: torch.randn(m, n), not expand(), a constant "
            "or a tiny factor."
        )
    if s["spread"] < 1e-3:
        return (
            "G returns one example for all noise. Check that z enters it, and look for units that "
            "are always 0 (dead ReLUs: large negative biases, a step that was too large)."
        )
    return (
        "Look at samples. Slow G down or add R1; show D whole batches (minibatch discrimination); "
        "check that G depends on its noise."
    )


TRAINING = (
    Rule(  # the gradient shrinks layer by layer. In healthy runs the ratio was 0.04 or more
        "vanishing gradient",
        lambda s: (
            s["cut_G"] > 0.5
            or s["grad_G"] == 0
            or (s["grad_first"] < 1e-3 * s["grad_last"] and not s["noise"] < STEADY)
        ),
        "the gradient has norm {grad_first:.2g} at G's first layer, {grad_last:.2g} at its last.",
        _vanishing,
    ),
    _saturated(at_start=True),
    Rule(  # the derivative of log(1 - D) by the logit is -D(G(z)): 0 where loss_G is near 0
        "saturation",
        lambda s: -0.25 < s["nats_G"] <= 0 and s["nats_D"] < 0.4,
        "G minimizes log(1 - D), which is {nats_G:.2g} here, while D wins (loss_D {nats_D:.2g}): "
        "the loss is flat where G is bad.",
        "Let G minimize -log D(G(z)); then check whether D is too strong.",
    ),
    Rule(  # D is right with a probability of exp(-0.125) = 0.88 on each example, or better. A
        # single fake is easy to recognize: that is a collapse, whichever player wins. While fakes
        # come much nearer to the data, G still learns from such a D
        "D too strong",
        lambda s: (
            s["nats_D"] < 0.25
            and s["nats_G"] > 2
            and not s["spread"] < ALIKE
            and not s["distance"] < s["distance_before"] / 4
        ),
        "loss_D is {nats_D:.2g} nats (1.39 for an undecided D), loss_G is {nats_G:.2g}: D "
        "recognizes nearly every fake.",
        "Lower D's learning rate or its steps k, raise G's; add R1, spectral norm, or input noise.",
    ),
    Rule(  # for losses that are not in nats
        "D too strong",
        lambda s: (
            s["lead"] > 0.99
            and s["distance"] > 0.3
            and not s["spread"] < ALIKE
            and math.isnan(s["nats_D"])
        ),
        "D gives {lead:.1%} of the pairs the right order, and fakes stay far from the data "
        "(energy distance {distance:.2f}).",
        "Lower D's learning rate or its steps k, raise G's; add R1, spectral norm, or input noise.",
    ),
    Rule(  # of players that take turns at every step, none stands still for a whole record
        "oscillation",
        lambda s: s["alone"] > 0.3,
        "in {alone:.0%} of the later records only one of the players moved: they train in long "
        "turns, so each adapts to an outdated opponent.",
        "Take turns at every step: k steps of D, with a k of 1 to 5, then one of G.",
    ),
    Rule(  # healthy losses drift by a tenth of a nat; five crossings are no trend. Where all fakes
        # are one point, D's loss oscillates because the point jumps: again a collapse
        "oscillation",
        lambda s: s["swing"] > 0.35 and s["turns"] >= 5 and not s["spread"] < ALIKE,
        "D's loss oscillates by {swing:.2g} nats (standard deviation) around {nats_D:.2g} and "
        "crosses its mean {turns:.0f} times in the second half.",
        "Lower both learning rates and Adam's beta_1 (0 to 0.5); take turns at every step; add R1; "
        "average G's weights.",
    ),
    Rule(  # a constant 1/2 gives log 4; with more, D is worse than a constant
        "D too weak",
        lambda s: s["above_log4"] > 0.9 and s["distance"] > 0.15,
        "loss_D is above log 4 = 1.39 in {above_log4:.0%} of the later records ({nats_D:.2f} on "
        "average), though fakes and data are far apart (energy distance {distance:.2f}).",
        "Raise D's learning rate, width, or steps k; check that its optimizer steps at all.",
    ),
    _saturated(at_start=False),
    Rule(  # healthy runs had a spread near 1, and a reach no larger than stray
        "mode collapse",
        lambda s: s["variety"] != 0 and (s["spread"] < 0.4 or s["reach"] > 3 * s["stray"]),
        "fakes differ from each other by {spread:.0%} of what real examples do; distance "
        "of a real example to the nearest fake: {reach:.2g}, of a fake to the data: {stray:.2g}.",
        _collapse,
    ),
)

RULES = (*LOSSES, *TRAINING)
