"""How the values of a wrong answer are related to the right ones: what is true in every case.

A sign, a factor, an order, a place: a sentence for the student where no known mistake fits.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.differences import number


def explain(
    pairs: Sequence[tuple[Tensor, Tensor]],
    arguments: Sequence[Mapping[str, Any]],
    *,
    partly: bool = False,
    **tolerance: Any,
) -> str:
    """A sentence that is true of all pairs of an expected and a returned value; empty if none is.

    Parameters
    ----------
    pairs : Sequence[tuple[Tensor, Tensor]]
        Of the same name, one pair for each case in which the two differ.
    arguments : Sequence[Mapping[str, Any]]
        The arguments of each of these cases, by name.
    partly : bool
        Whether there are other cases, in which the two agree.
    **tolerance : float
        `rtol` and `atol` of the exercise.
    """
    text = _relation(pairs, arguments, **tolerance)
    if partly and text.startswith(("Every value", "Your result is 0")):
        return f"Where it is wrong: {text[0].lower()}{text[1:]}"
    return text


def _relation(
    pairs: Sequence[tuple[Tensor, Tensor]], arguments: Sequence[Mapping[str, Any]], **tolerance: Any
) -> str:
    def same(a: Tensor, b: Tensor) -> bool:
        if a.shape != b.shape:
            return False
        return bool(torch.isclose(a.double(), b.double(), equal_nan=True, **tolerance).all())

    def all_are(expected_from: Callable[[Tensor], Tensor]) -> bool:
        return all(same(expected_from(g.double()), w.double()) for w, g in pairs)

    if any(x.is_complex() for pair in pairs for x in pair):
        return ""
    for name in {name for given in arguments for name in given}:
        values = [given.get(name) for given in arguments]
        if all(
            isinstance(v, Tensor) and same(g, v) for v, (_, g) in zip(values, pairs, strict=True)
        ):
            return f"Your result is `{name}` itself, unchanged."
    if any(w.shape != g.shape for w, g in pairs):
        return _shapes(pairs, same)
    broken = _not_finite(pairs)
    if broken:
        return broken
    if all(not g.any() for _, g in pairs):
        return f"Your result is 0{' everywhere' if pairs[0][1].numel() > 1 else ''}."
    if all(same(g, w) for w, g in pairs):  # only the type differs
        return ""
    if any(w.dtype == torch.bool or not w.is_floating_point() for w, _ in pairs):
        return _order(pairs, same) or _discrete(pairs)
    for text, turn in RELATIONS.items():
        if all_are(turn):
            return text
    return _constant(pairs, same) or _order(pairs, same) or _range(pairs, same) or _place(pairs)


RELATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "The sign is wrong everywhere: the absolute values are right.": lambda g: -g,
    "You returned the square of what is expected.": lambda g: g.clamp(min=0).sqrt(),
    "You returned the square root of what is expected.": lambda g: g.square(),
    "You returned the logarithm of what is expected.": lambda g: g.exp(),
    "You returned minus the logarithm of what is expected.": lambda g: (-g).exp(),
    "You returned e to the power of what is expected: is a logarithm missing?": lambda g: g.log(),
    "You returned the sigmoid of what is expected.": lambda g: g.clamp(0, 1).logit(),
    "You returned the tanh of what is expected.": lambda g: g.clamp(-1, 1).atanh(),
    "You returned a logit: its sigmoid is expected.": torch.sigmoid,
    "A tanh is missing: the tanh of your result is expected.": torch.tanh,
    "You returned 1 minus what is expected.": lambda g: 1 - g,
    "You returned 1 divided by what is expected.": lambda g: 1 / g,
    "Some signs are wrong: the absolute value of your result is expected.": torch.abs,
    "Values below 0 should be 0.": lambda g: g.clamp(min=0),
}


def _not_finite(pairs: Sequence[tuple[Tensor, Tensor]]) -> str:
    for word, test in (("nan", torch.isnan), ("infinite", torch.isinf)):
        where = [test(g) & ~test(w) for w, g in pairs]
        count = sum(int(x.sum()) for x in where)
        if count:
            wanted = torch.cat([w[x].flatten() for (w, _), x in zip(pairs, where, strict=True)])
            of = sum(g.numel() for _, g in pairs)
            zero = ", all where 0 is expected" if not wanted.any() else ""
            more = "is there a division by 0, a log or root of 0 or less, or an exp that overflows?"
            which = "Your value is" if of == 1 else f"{count} of {of} values are"
            return f"{which} {word}{zero}: {more}"
    return ""


def _shapes(pairs: Sequence[tuple[Tensor, Tensor]], same: Callable) -> str:
    """How the shapes are related."""
    w, g = next((w, g) for w, g in pairs if w.shape != g.shape)
    if g.dim() > 1 and w.shape == g.mT.shape:
        values = ": transposed, the values are right." if same(w, g.mT) else "."
        return f"The last two dimensions are swapped{values}"
    if w.squeeze().shape == g.squeeze().shape and w.numel() == g.numel():
        more = g.dim() > w.dim()
        values = " The values are right." if same(w.squeeze(), g.squeeze()) else ""
        return (
            f"A dimension of length 1 is {'superfluous' if more else 'missing or misplaced'}."
            f"{values}"
        )
    if w.numel() == 1:
        total = g.double()
        for name, value in (("mean", total.mean()), ("sum", total.sum())):
            if same(value, w.double().reshape(())):
                return f"One number is expected: the {name} of your values."
        return "One number is expected: reduce the result, with a mean or a sum."
    if g.numel() == 1:
        return "You returned a single number: was a mean or sum taken over a dimension too many?"
    if w.numel() == g.numel():
        values = same(w.flatten(), g.flatten())
        return "The values are right, but arranged in another shape." if values else ""
    if w.dim() == g.dim():
        d = [n for n in range(w.dim()) if w.shape[n] != g.shape[n]]
        if len(d) == 1 and g.shape[d[0]] > w.shape[d[0]]:
            if same(w, g.narrow(d[0], 0, w.shape[d[0]])):
                return f"The values are right, but there are too many in dimension {d[0]}."
        elif len(d) == 1 and same(w.narrow(d[0], 0, g.shape[d[0]]), g):
            return f"The values are right, but some are missing at the end of dimension {d[0]}."
    if g.dim() == w.dim() + 1 and g.shape[-1] == g.shape[-2] == w.shape[-1]:
        return (
            "Two tensors were broadcast: (B,) with (B, 1) gives (B, B). Give both the same shape."
        )
    return ""


def _constant(pairs: Sequence[tuple[Tensor, Tensor]], same: Callable) -> str:
    """One factor, or one summand, for all values."""
    w, g = (torch.cat([p[k].double().flatten() for p in pairs]) for k in (0, 1))
    large = w.abs() > 1e-3 * w.abs().max()
    if not large.any():
        return ""
    c = (g[large] / w[large]).median()
    inverse = 1 / c
    if same(g, c * w):
        for value, text in (
            (c, "{} times what is expected"),
            (inverse, "1/{} of what is expected"),
        ):
            n = int(value.round())
            if n > 1 and abs(value / n - 1) < 1e-3:
                what = "sum" if value is c else "mean"
                other = "mean" if value is c else "sum"
                likely = 2 < n < 1000 and n not in (10, 100) and w.numel() > 1
                asked = f": did you take a {what} instead of a {other}?" if likely else "."
                return (
                    f"{'Every value' if w.numel() > 1 else 'Your value'} is {text.format(n)}{asked}"
                )
        if w.numel() > 1 and abs(c) > 1e-6 and abs(c - 1) > 0.01:
            return f"Every value is {number(c.item(), 4)} times what is expected."
    d = (g - w).median()
    if w.numel() > 1 and same(g, w + d):
        size = number(abs(d.item()), 4)
        return f"Every value is too {'large' if d > 0 else 'small'} by {size}."
    return ""


def _order(pairs: Sequence[tuple[Tensor, Tensor]], same: Callable) -> str:
    """The same values in other places."""
    if any(w.numel() < 2 for w, _ in pairs):
        return ""
    for d in range(min(w.dim() for w, _ in pairs)):
        if all(same(w, g.flip(d)) for w, g in pairs):
            where = "" if pairs[0][0].dim() == 1 else f" along dimension {d}"
            return f"The values are right, but in reverse order{where}."
    if all(w.dim() > 1 and same(w, g.mT) for w, g in pairs):
        return "The last two dimensions are swapped: your result is transposed."
    if all(same(w.flatten().sort().values, g.flatten().sort().values) for w, g in pairs):
        return "The values are right, but some are in the wrong place."
    return ""


def _range(pairs: Sequence[tuple[Tensor, Tensor]], same: Callable) -> str:
    """Values that go beyond, or stay within, a limit."""
    w, g = (torch.cat([p[k].double().flatten() for p in pairs]) for k in (0, 1))
    if w.numel() < 3:
        return ""
    low, high = w.min(), w.max()
    ends = f"[{number(low.item(), 3)}, {number(high.item(), 3)}]"
    beyond = (g < low - 1e-6) | (g > high + 1e-6)
    if 1 < beyond.sum() < w.numel() and same(g.clamp(low, high), w):
        return (
            f"Right except for {int(beyond.sum())} values outside {ends}, the range of the "
            "expected ones: is a clamp missing?"
        )
    low, high = g.min(), g.max()
    if low < high and same(w.clamp(low, high), g):
        ends = f"[{number(low.item(), 3)}, {number(high.item(), 3)}]"
        return (
            f"Right except for values that should lie outside {ends}, the range of yours: do you "
            "clamp them?"
        )
    return ""


def _discrete(pairs: Sequence[tuple[Tensor, Tensor]]) -> str:
    """In which direction truth values or integers are wrong."""
    w, g = (torch.cat([p[k].double().flatten() for p in pairs]) for k in (0, 1))
    if w.numel() < 2:
        return ""
    more, fewer = int((g > w).sum()), int((g < w).sum())
    if pairs[0][0].dtype == torch.bool and more + fewer:
        if not fewer:
            return f"You return True {more} times where False is expected, and never the reverse."
        if not more:
            return f"You return False {fewer} times where True is expected, and never the reverse."
        return ""
    steps = (g - w).unique()
    if len(steps) == 1:
        size = int(steps.abs())
        return f"Every value is too {'large' if steps > 0 else 'small'} by {size}."
    return ""


def _place(pairs: Sequence[tuple[Tensor, Tensor]]) -> str:
    """Where the wrong values are, if all are in one place."""
    wrong = [~torch.isclose(g.double(), w.double(), rtol=1e-4, atol=1e-5) for w, g in pairs]
    shape = pairs[0][0].shape
    for d in range(len(shape)):
        if any(x.dim() <= d or x.shape[d] < 2 for x in wrong):
            continue
        for place, word in ((0, "first"), (-1, "last")):
            rest = [x.clone() for x in wrong]
            for x in rest:
                x.select(d, place).zero_()
            if not any(x.any() for x in rest):
                what = f"entries along dimension {d} are" if len(shape) > 1 else "value is"
                return f"Only the {word} {what} wrong."
        right = [x.clone() for x in wrong]
        if all(not x.select(d, 0).any() for x in right) and all(
            bool(x.narrow(d, 1, x.shape[d] - 1).flatten().all()) for x in right
        ):
            what = f"entries along dimension {d} are" if len(shape) > 1 else "value is"
            return f"Only the first {what} right."
    if len(shape) == 4 and all(x.dim() == 4 and min(x.shape[2:]) > 2 for x in wrong):
        if not any(x[:, :, 1:-1, 1:-1].any() for x in wrong):
            return "Only values at the border of the image are wrong: look at the padding."
    w = torch.cat([w.flatten() for w, _ in pairs])
    x = torch.cat([x.flatten() for x in wrong])
    for word, part in (("positive", w > 0), ("negative", w < 0), ("0", w == 0)):
        if part.any() and not part.all() and not x[~part].any():
            return f"The wrong values are all where the expected one is {word}."
    return ""
