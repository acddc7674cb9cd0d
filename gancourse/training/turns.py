"""Whose turn a call of D belongs to: needed to compare logged losses with logits."""

from dataclasses import dataclass

from gancourse.errors import CourseError
from gancourse.training.listening import STRANGER, Call, Heard
from gancourse.training.origins import FAKE, MIXED, REAL


@dataclass(frozen=True)
class Turns:
    """The calls of D that the logged losses of a step come from.

    Where a player was given no examples of one kind, the other player's stand for them.
    """

    real: Call
    """D's turn, real examples."""
    fake: Call
    """D's turn, fakes."""
    real_G: Call  # noqa: N815
    """G's turn, real examples: needed by relativistic losses only."""
    fake_G: Call  # noqa: N815
    """G's turn, fakes."""
    missing: str
    """What D was not given in its own turn: "real", "fake" or ""."""


def turns(heard: Heard) -> Turns:
    """Sort the calls of D into its own turn and G's, whatever their order.

    Raises
    ------
    CourseError
        Where real examples and fakes can't be told apart. The message says why.
    """
    real = [call for call in heard.calls if call.origin == REAL]
    fake = [call for call in heard.calls if call.origin == FAKE]
    # a leaf that requires a gradient, made of fakes, is a point of a gradient penalty
    fake = [call for call in fake if not call.probe] or fake
    if not heard.generated or not (real or fake):
        raise CourseError(f"This step can't be examined: {_why_not(heard)}", "", INSTEAD)
    whose = {id(call): _player(call, fake, heard) for call in fake}
    in_D = [call for call in fake if "D" in whose[id(call)]]
    in_G = [call for call in fake if "G" in whose[id(call)]]
    fake_D = ([call for call in in_D if not call.graph] or in_D or fake or real)[-1]
    fake_G = (in_G or in_D or fake or real)[-1]
    missing = "real" if not real else "" if in_D else "fake"
    if missing and any(call.origin == MIXED and not call.probe for call in heard.calls):
        raise CourseError(f"This step can't be examined: {MIXED_UP}", "", INSTEAD)
    return Turns(
        _nearest(real, fake_D, heard), fake_D, _nearest(real, fake_G, heard), fake_G, missing
    )


INSTEAD = (
    "Call measure_signs(G, D, x, fakes, real, fake) in the step and add its result to the losses."
)


MIXED_UP = (
    "real examples and fakes are mixed in D's batches, so their logits can't be told apart. "
    "torch.cat([x, fakes]) can be read, and an index of its rows, such as a permutation."
)


def _why_not(heard: Heard) -> str:
    if not heard.calls:
        return (
            "D was not called. Pass the very module that the step calls; a call of D.forward(x) "
            "can't be heard, D(x) can."
        )
    if not heard.generated:
        return (
            "G was not called. Pass the very module that the step calls (after a cell that creates "
            "G again, the step may still hold the older one)."
        )
    return MIXED_UP


def _player(call: Call, fakes: list[Call], heard: Heard) -> str:
    """Whose turn it is: "D", "G", or "DG" where one call serves both."""
    owners = _next_owners(call, heard)
    together = [other for other in fakes if other.turn == call.turn and other is not call]
    if not call.graph:
        cut_off = owners == {"G"} and not any(other.graph for other in together)
        return "G" if cut_off else "D"
    if "D" not in owners:
        return "G"
    if owners == {"D"}:  # fakes of D's turn that were not detached, if G has a turn of its own
        return "D" if any("D" not in _next_owners(f, heard) for f in fakes) else "DG"
    return "G" if any(not other.graph for other in together) else "DG"


def _next_owners(call: Call, heard: Heard) -> set[str]:
    """Whose weights are updated next, before D is called again."""
    later = [other.turn for other in heard.calls if other.turn > call.turn]
    updates = heard.updates[call.turn : min(later, default=None)]
    return {update.like or update.owner for update in updates} - {STRANGER}


def _nearest(real: list[Call], fake: Call, heard: Heard) -> Call:
    """The call with real examples that goes with one with fakes."""
    place = {id(call): n for n, call in enumerate(heard.calls)}
    distance = lambda call: (  # noqa: E731
        call.turn != fake.turn, call.probe, abs(place[id(call)] - place[id(fake)]),
    )  # fmt: skip
    return min(real, key=distance, default=fake)
