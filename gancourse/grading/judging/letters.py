"""Answers that are a letter: what was observed is stored, so another key needs no new run.

Only letters: a number may be computed by cells whose course functions were corrected, too.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from gancourse.exercises import base
from gancourse.exercises.base import Exercise, Failure, Observation, observe_value
from gancourse.exercises.verdicts import Verdict
from gancourse.grading.answers import collector

LONGEST = 100  # letters; nobody answers with that many


def store(exercise: Exercise, seen: Sequence[Observation | Failure]) -> str:
    """What was observed of an answer, as JSON; empty unless it is a letter, or what isn't one."""
    if not _is_letter(exercise) or len(seen) != 1:
        return ""
    facts: dict = {"observer": _observer()}
    if isinstance(seen[0], Failure):
        facts |= {"failure": [seen[0].kind, seen[0].text, seen[0].line]}
    elif {*seen[0]} == {"choice"} and _is_short(seen[0]["choice"]):
        facts |= {"letters": seen[0]["choice"].tolist()}
    else:
        return ""
    return json.dumps(facts)


def judge(exercise: Exercise, stored: str) -> Verdict | None:
    """The verdict of today's key on what `store` returned; None where the notebook has to run."""
    if not stored or not _is_letter(exercise):
        return None
    facts = json.loads(stored)
    if facts["observer"] != _observer():  # today it would be read in another way
        return None
    seen: Observation | Failure
    if "failure" in facts:
        seen = Failure(*facts["failure"])
    else:
        seen = {"choice": torch.tensor(facts["letters"])}
    return collector.verdict(exercise, 0, [seen])


def _is_letter(exercise: Exercise) -> bool:
    return exercise.observe is observe_value and isinstance(exercise.reference, str)


def _is_short(letters: torch.Tensor) -> bool:
    right = letters.dim() == 1 and len(letters) <= LONGEST
    return right and (letters.dtype == torch.int64 or not len(letters))


@functools.cache
def _observer() -> str:
    """A digest of the code that observes an answer."""
    return hashlib.sha256(Path(base.__file__).read_bytes()).hexdigest()[:16]
