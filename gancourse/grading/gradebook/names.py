"""The student whom a name means: as the gradebook writes it, or as a person would.

The gradebook names students as the zip of the LMS does: `doejane_12345`, `Jane Doe_12345`.
"""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import permutations

from gancourse.errors import CourseError

MOST_WORDS = 5  # of a name whose words may be in any order
ALIKE = 0.7  # of difflib's ratio, where names are near
SHOWN = 8


def find(
    wanted: str, students: Collection[str], others: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The one student whom a name means.

    Parameters
    ----------
    wanted : str
        The gradebook's name, or the LMS's number ("12345"), full name in any order and spelling
        of spaces ("Jane Doe", "jane_doe"), login or e-mail.
    students : Collection[str]
        The names in the gradebook.
    others : Mapping[str, Sequence[str]] | None
        Student -> other names: login, e-mail, full name.

    Raises
    ------
    CourseError
        If no student or several have that name; it lists those with a near one.
    """
    if wanted in students:
        return wanted
    known = {name: (name, *(others or {}).get(name, ())) for name in students}
    fitting = [name for name, names in known.items() if any(_same(wanted, n) for n in names)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        what = f"{wanted!r} can be several students: {_listed(sorted(fitting))}."
        raise CourseError(what, "", "Give one of these names.")
    near = _near(wanted, known)
    why = f"Names that are near: {_listed(near)}." if near else ""
    do = "List all names: gancourse students"
    raise CourseError(f"No student in the gradebook is called {wanted!r}.", why, do)


def _same(wanted: str, name: str) -> bool:
    (ours, number), (theirs, their_number) = _parts(wanted), _parts(name)
    if (number and number != their_number) or not (ours or number):
        return False
    return not ours or bool(_spellings(ours) & _spellings(theirs))


def _parts(name: str) -> tuple[str, str]:
    """A name, and the number that the LMS put after it: ("Jane Doe", "12345")."""
    name = name.strip()
    if re.fullmatch(r"\d+", name):
        return "", name
    match = re.fullmatch(r"(.*[^\W_].*)_(\d+)", name)
    return (match[1], match[2]) if match else (name, "")


def _spellings(name: str) -> set[str]:
    """A name without spaces, signs and accents, its words in any order."""
    words = [_plain(word) for word in re.split(r"[\s_,.-]+", name)]
    words = [word for word in words if word]
    orders: Iterable = permutations(words) if len(words) <= MOST_WORDS else [words]
    return {"".join(order) for order in orders} - {""}


def _plain(text: str) -> str:
    """Without accents, signs, and capital letters; marks of other scripts stay: they are vowels."""
    text = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text))
    kept = (c for c in text if c.isalnum() or unicodedata.category(c)[0] == "M")
    return unicodedata.normalize("NFC", "".join(kept)).casefold()


def _near(wanted: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    """Students with a near spelling, or with the wanted text in their name, best first."""
    by_spelling: dict[str, list[str]] = {}
    for student, names in known.items():
        for name in {*names, *(_parts(name)[0] for name in names)}:
            for spelling in _spellings(name):
                by_spelling.setdefault(spelling, []).append(student)
    near: list[str] = []
    for target in sorted(_spellings(_parts(wanted)[0])):
        near += difflib.get_close_matches(target, by_spelling, SHOWN, ALIKE)
        letters = sorted(target)  # Canvas writes "Jane Doe" as "doejane"
        near += [spelling for spelling in by_spelling if sorted(spelling) == letters]
        near += sorted(spelling for spelling in by_spelling if target in spelling)
    return list(dict.fromkeys(student for one in near for student in by_spelling[one]))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
