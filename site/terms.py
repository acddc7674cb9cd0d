"""The glossary, and the links to it: a term is linked where it first occurs on a page."""

import re
from collections.abc import Callable
from dataclasses import dataclass

# What is not prose: fenced code, HTML, math, code, links and images, headings, rows of tables.
NOT_PROSE = re.compile(
    r"```.*?```|<!--.*?-->|<summary>.*?</summary>|<[^>]+>|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`|"
    r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|^#.*?$|^\|.*?$|\*\*Exercise .*?$",
    re.S | re.M,
)


@dataclass(frozen=True)
class Glossary:
    """Terms, each with the spellings that stand for it in a text."""

    terms: dict[str, str]
    """Spelling -> the term as the glossary has it."""

    @classmethod
    def read(cls, text: str) -> "Glossary":
        """The terms of the glossary's page: lines of a directive ``glossary`` without indentation.

        Several such lines above one definition are spellings of one term.
        """
        terms: dict[str, str] = {}
        for block in re.findall(r"^```\{glossary\}\n(.*?)^```", text, re.S | re.M):
            first = None
            for line in block.splitlines():
                if line.startswith((" ", ":")) or not line:
                    first = None
                    continue
                first = first or line
                terms[line] = first
        return cls(terms)

    def linker(self) -> Callable[[str], str]:
        """A function that links terms in a page's texts, called with one text after another."""
        spellings = {f"{word[0].upper()}{word[1:]}": term for word, term in self.terms.items()}
        spellings |= self.terms
        longest = sorted(spellings, key=len, reverse=True)
        words = "|".join(re.escape(word) for word in longest)
        # a network's evaluation mode is no mode of a distribution
        other = "".join(f"(?<!{word} )" for word in ("eval", "evaluation", "train", "training"))
        pattern = re.compile(rf"(?<![\w-]){other}({words})(s?)(?![\w-])")
        linked: set[str] = set()

        def link(found: re.Match) -> str:
            term = spellings[found[1]]
            if term in linked:
                return found[0]
            linked.add(term)
            return f"{{term}}`{found[0]} <{term}>`"

        def prose(text: str) -> str:
            parts, end = [], 0
            for skipped in NOT_PROSE.finditer(text):
                parts += [pattern.sub(link, text[end : skipped.start()]), skipped[0]]
                end = skipped.end()
            return "".join(parts) + pattern.sub(link, text[end:])

        return prose
