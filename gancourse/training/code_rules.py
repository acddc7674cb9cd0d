"""Rules about mistakes in data and code: facts rather than thresholds. See `diagnosis`."""

import math
from collections.abc import Callable

from gancourse.training.rule import Rule, Signs

STILL = 1e-5  # change by a step, relative to the weights: usual rates of Adam have 1e-3 to 1e-2


# Data --------------------------------------------------------------------------------------------
def _range_rule(name: str, low: float, high: float, ends_in: str) -> Rule:
    def test(s: Signs) -> bool:
        known = (s["low_limit"], s["high_limit"]) == (low, high)
        # tanh is at most 1; 1.05 and 1.001 allow for interpolation and rounding
        looks = math.isnan(s["low_limit"]) and high == 1 and low == -1 and s["range_fake"] <= 1.001
        # what D receives may have been augmented: then fakes exceed G's limits too
        below, above = min(low, s["low_fake"]), max(high, s["high_fake"])
        if s["missing_fake"] > 0.9:
            return False  # what D got in their place counts as real
        return (known or looks) and (s["low_real"] < below - 0.05 or s["high_real"] > above + 0.05)

    return Rule(
        name,
        test,
        f"real examples go from {{low_real:.3g}} to {{high_real:.3g}}, but G ends in {ends_in} and "
        "makes {low_fake:.3g} to {high_fake:.3g}: D needs nothing else to recognize the fakes.",
        "Scale the data to [-1, 1] and let G end in nn.Tanh(): x / 127.5 - 1 for bytes, 2 x - 1 "
        "for values in [0, 1]; standardized data (mean 0, variance 1) are not in [-1, 1].",
        needs=1,
    )


DATA = (
    Rule(
        "no variety in the data",
        lambda s: s["flat"] > 0.99 and s["variety"] <= 1e-6 * max(1e-6, s["range_real"]),
        "every value of every real example is {low_real:.3g}.",
        "Look at the data as D receives them. All black often means that 12- or 16-bit files were "
        "read as 8-bit ones, or that [0, 1] was divided by 255 again.",
        needs=1,
    ),
    Rule(  # among n examples, a share 1 / n of all pairs from two steps is equal
        "too few examples",
        lambda s: s["repeats"] > 1 / 50,
        "{repeats:.0%} of the pairs of real examples from two steps are equal: there are about "
        "{examples:.0f} different ones.",
        "Check the number of files read, and whether a batch repeats one example. With few "
        "examples D learns them by heart: get hundreds, or augment real examples and fakes alike "
        "(Karras et al. 2020).",
        needs=2,
    ),
    _range_rule("values outside [-1, 1]", -1, 1, "a tanh"),
    _range_rule("values outside [0, 1]", 0, 1, "a sigmoid"),
    _range_rule("negative values", 0, math.inf, "a ReLU"),
)


# Modes of layers ---------------------------------------------------------------------------------
STATE = (
    Rule(  # with one example, batch norm subtracts the example itself
        "batch of one",
        lambda s: s["batch"] == 1 and s["batch_norm"] > 0,
        "batches hold one example, and {batch_norm:.0f} layers of batch norm are in training mode: "
        "each example is normalized by its own mean and variance.",
        "Use larger batches (16 or more), or instance or layer norm, or none.",
        needs=1,
    ),
    Rule(  # with two, a value per channel is +1 or -1, whatever the example
        "small batch",
        lambda s: s["batch"] < 4 and s["batch_norm"] > 0,
        "batches hold {batch:.0f} examples, and {batch_norm:.0f} layers of batch norm are in "
        "training mode: mean and variance of so few examples are mostly chance.",
        "Use larger batches (16 or more), or instance or layer norm, or none.",
        needs=1,
    ),
    Rule(
        "eval mode",
        lambda s: s["eval_G"] + s["eval_D"] > 0.5,
        "layers of batch norm are in eval mode while their network is trained: {eval_G:.0f} of G, "
        "{eval_D:.0f} of D. They normalize by running averages, which then never change.",
        "Call G.train() and D.train() before the step; eval mode is for drawing samples.",
        needs=1,
    ),
    Rule(
        "sigmoid twice",
        lambda s: (
            max(s["sigmoid_D"], s["logsigmoid_D"]) > 0.5 and s["loss_name_D"] == "cross-entropy"
        ),
        "D ends in a sigmoid (its outputs go from {low_logit:.2g} to {high_logit:.2g}), and loss_D "
        "is their cross-entropy as if they were logits: a second sigmoid. Its gradient is small.",
        'Remove D\'s last sigmoid, or use binary_cross_entropy (without "with_logits").',
        needs=1,
    ),
    Rule(
        "D ends in a ReLU",
        lambda s: s["relu_D"] > 0.5,
        "D's outputs go from {low_logit:.2g} to {high_logit:.2g}: it ends in a ReLU, so no logit "
        "can be negative, and D can't call an example fake.",
        "Let D end in a linear layer or a convolution, without an activation.",
        needs=1,
    ),
    Rule(
        "softmax",
        lambda s: s["softmax_D"] > 0.5 and s["ahead"] == 0.5,
        "D ends in a softmax and returns {logit_real:.3g} for every example.",
        "A softmax over one output is always 1. Let D end in a linear layer with one output, and "
        "use binary_cross_entropy_with_logits.",
        needs=1,
    ),
)


# Do the weights move? ----------------------------------------------------------------------------
def _still(net: str) -> Callable[[Signs], bool]:
    def test(s: Signs) -> bool:
        if net == "G" and s["steps_G"] > 0 and max(s["cut_G"], s["flat_G"]) > 0.5:
            return False  # "vanishing gradient" explains it
        # a player that has moved, and whose gradient has become small, has another problem
        never, idle = s[f"jump_{net}"] < STILL, not s[f"steps_{net}"]
        decayed = s[f"grad_{net}"] > 1e-3 and s[f"jump_{net}"] > 30 * s[f"moved_{net}"]
        return s[f"moved_{net}"] < STILL and (never or idle or decayed)

    return test


def _why_still(net: str) -> Callable[[Signs], str]:
    other = "D" if net == "G" else "G"

    def cause(s: Signs) -> str:
        if s[f"frozen_{net}"] > 0.5:
            return (
                f"No weight of {net} requires a gradient in its own turn: requires_grad_(False), "
                "which is often set for the other player's turn, was not undone."
            )
        if s[f"copy_{net}"] > 0.5:
            return (
                f"The optimizer that steps holds weights of the same shapes, but not these: opt_"
                f"{net} was built before {net} was created again (a cell run twice), or for a copy "
                f"of it. Build it again, after {net}: opt_{net} = Adam({net}.parameters(), ...)."
            )
        if not s[f"steps_{net}"] and s[f"optimizers_{other}"] > 1.5:
            return (
                f"Two optimizers hold {other}'s weights: opt_{net} was built with "
                f"{other}.parameters(). Build it with {net}.parameters()."
            )
        if not s[f"steps_{net}"]:
            return (
                f"No optimizer with {net}'s weights takes a step: call opt_{net}.step() after "
                "backward(), and check which weights it was built with."
            )
        if s[f"reached_{net}"] < 0.5:
            return (
                f"No gradient has reached {net} when its optimizer steps: is backward() missing, "
                f"the loss detached, or {net} frozen (requires_grad_(False))?"
            )
        if not s[f"grad_{net}"]:
            return (
                "A gradient arrives, but is 0 as the optimizer steps: zero_grad() comes between "
                "backward() and step(). The order is zero_grad(), backward(), step(). (Or "
                "something on the way has no gradient: a rounding, units that are always 0.)"
            )
        if s[f"jump_{net}"] > 30 * s[f"moved_{net}"]:
            return (
                "It did move at first: its learning rate has decayed to almost 0. Check how often "
                "the schedule's step() is called, and its length."
            )
        return (
            f"Its gradient has norm {s[f'grad_{net}']:.2g} at that moment: the learning rate is "
            "far too small (1e-5 to 1e-3 is usual with Adam), the gradient is clipped to almost "
            "nothing, or Adam's eps is far too large."
        )

    return cause


def _movement_rule(net: str) -> Rule:
    return Rule(
        f"{net} does not move",
        _still(net),
        f"a step changes {net}'s weights by {{update_{net}:.2g}}, of a norm of "
        f"{{weight_{net}:.3g}}; {{steps_{net}:.2g}} steps of its optimizer per training step.",
        _why_still(net),
        needs=1,
    )


def _part_rule(net: str) -> Rule:
    return Rule(
        f"part of {net} is not trained",
        lambda s: 0 < s[f"held_{net}"] < 0.95,
        f"the optimizer holds {{held_{net}:.0%}} of {net}'s trainable weights.",
        f"Build it with {net}.parameters(). If the rest is fixed on purpose, say so with "
        "requires_grad_(False).",
        needs=1,
    )


def _zero_grad(s: Signs) -> str:
    who = " and ".join(net for net in "DG" if s[f"stale_{net}"] > 0.5)
    if who:
        return (
            f"The gradient of {who} still holds that of earlier steps: call "
            + " and ".join(f"opt_{net}.zero_grad()" for net in who.split(" and "))
            + " before each backward() of that player's turn. (G's turn leaves gradients in D too.)"
        )
    return (
        "D's gradient also holds that of G's loss, which reached D before opt_D.step(): call "
        "opt_D.zero_grad() at the start of D's turn, and finish it before G's loss is computed."
    )


MOVEMENT = (
    *(_movement_rule(net) for net in "GD"),
    *(_part_rule(net) for net in "GD"),
    Rule(
        "one optimizer for both",
        lambda s: s["shared"] > 0.5,
        "in {shared:.0%} of the steps an optimizer stepped that holds weights of G and of D: each "
        "turn also moves the other player, towards the wrong goal.",
        "Build two: opt_G = Adam(G.parameters(), ...) and opt_D = Adam(D.parameters(), ...).",
        needs=1,
    ),
    Rule(
        "G is cut off from D",
        lambda s: s["cut_off"] > 0.9,
        "in {cut_off:.0%} of the steps no output of G reached D, neither in D's turn nor in G's.",
        "Give D the very tensor that G returned, D(G(z)). One that is rebuilt, by torch.tensor(), "
        "NumPy or an image, has lost its graph.",
        needs=1,
    ),
    Rule(
        "no fakes in D's turn",
        lambda s: s["missing_fake"] > 0.9,
        "in {missing_fake:.0%} of the steps no output of G was given to D before D's own step.",
        "Give D both in its turn: D(x) and D(G(z).detach()). What doesn't come from G, such as "
        "noise or a constant, teaches D nothing about G.",
        needs=1,
    ),
    Rule(
        "no real examples in D's turn",
        lambda s: s["missing_real"] > 0.9,
        "in {missing_real:.0%} of the steps everything that D was given came from G.",
        "Check that D(x) is called with the batch, and that x was not overwritten with fakes.",
        needs=1,
    ),
    Rule(
        "zero_grad",
        lambda s: max(s["stale_D"], s["stale_G"], s["mixed_D"]) > 0.5,
        "old gradients were still there as the optimizer stepped: in {stale_D:.0%} of D's steps, "
        "in {stale_G:.0%} of G's; in {mixed_D:.0%} of D's there was also that of G's loss.",
        _zero_grad,
        needs=2,
    ),
    Rule(  # a fact, not a threshold: in D's turn G is a fixed sampler
        "missing detach",
        lambda s: s["fakes_graph"] > 0,
        "in {fakes_graph:.0%} of the steps the fakes of D's turn carry a graph back into G. That "
        "costs time, and where G's gradient is not zeroed before its own turn, G also helps D.",
        "Make the fakes of D's turn under torch.no_grad(), or pass fakes.detach() to D.",
        needs=1,
    ),
)

RULES = (*DATA, *STATE, *MOVEMENT)
