"""Five toy rules for tests of everything around the analysis. They look for words in the text:

bad(...)       TOY101, safe fix: good(...)
worse(...)     TOY102, error, unsafe fix: fine(...)
pair("b.py")   TOY201, a fix in this file and in the other one (its `pair_end`), related place there
pair_end(...)  TOY202, information, no fix
odd(...)       TOY301, opt-in, no fix
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from ckptlint.engine import Analyzer, Settings
from ckptlint.facts.store import FactStore
from ckptlint.findings import (
    Applicability,
    Confidence,
    Edit,
    Finding,
    Fix,
    Place,
    Related,
    Severity,
    Span,
)
from ckptlint.rules.base import Registry, Rule
from ckptlint.rules.ckpt901 import UnreadableSource
from ckptlint.rules.ckpt902 import UnusedSuppression
from ckptlint.source import UnreadableSource as Unread
from ckptlint.suppress.comments import Lines


def statement_of(text: str, start: int, end: int) -> Span:
    """From the beginning of the row to where brackets are closed again: enough of a statement for a toy."""
    lines = Lines(text)
    first = lines.position(start).row
    depth, at = 0, lines.start(first)
    while at < len(text) and (at < end or depth > 0):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return lines.span(lines.start(first), at)


class WordRule(Rule):
    """A toy.

    ## What it does
    Finds a word.
    """

    since = "0.1.0"
    word = ""
    instead: str | None = None
    applicability = Applicability.SAFE

    def check(self, project: Any):
        for path in sorted(project.store.files):
            try:
                text = project.store.source(path).text
            except Unread:
                continue
            for match in re.finditer(rf"\b{self.word}(?=\()", text):
                yield self.finding(path, text, match)

    def finding(self, path: str, text: str, match: re.Match[str]) -> Finding:
        place = Place(path, Lines(text).span(match.start(), match.end()))
        fix = None
        if self.instead is not None:
            fix = Fix(self.applicability, f"Write `{self.instead}`", (Edit(place, self.instead),))
        return Finding(
            code=self.code,
            name=self.name,
            message=f"`{self.word}` fails: Unexpected key(s) in state_dict",
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=place,
            statement=statement_of(text, match.start(), match.end()),
            fix=fix,
        )


class Bad(WordRule):
    __doc__ = WordRule.__doc__
    code, name, severity, fixable = "TOY101", "bad-word", Severity.WARNING, "safe"
    word, instead = "bad", "good"


class Worse(WordRule):
    __doc__ = WordRule.__doc__
    code, name, severity, fixable = "TOY102", "worse-word", Severity.ERROR, "unsafe"
    word, instead, applicability = "worse", "fine", Applicability.UNSAFE


class Paired(WordRule):
    __doc__ = WordRule.__doc__
    code, name, severity, fixable = "TOY201", "paired-word", Severity.WARNING, "safe"
    word = "pair"

    def finding(self, path: str, text: str, match: re.Match[str]) -> Finding:
        import msgspec

        found = super().finding(path, text, match)
        other = re.compile(r'\("(.*?)"').match(text, match.end())
        assert other is not None
        folder = path.rpartition("/")[0]
        where = f"{folder}/{other[1]}" if folder else other[1]
        edits = [Edit(found.place, "paired")]
        related = []
        there = self.store.source(where).text
        for end in re.finditer(r"\bpair_end\b", there):
            place = Place(where, Lines(there).span(end.start(), end.end()))
            edits.append(Edit(place, "paired_end"))
            related.append(Related(place, "the other end is here"))
        fix = Fix(Applicability.SAFE, "Change both ends", tuple(edits))
        return msgspec.structs.replace(found, fix=fix, related=tuple(related))

    def check(self, project: Any):
        self.store = project.store
        yield from super().check(project)


class PairEnd(WordRule):
    __doc__ = WordRule.__doc__
    code, name, severity, fixable = "TOY202", "pair-end-word", Severity.INFO, "none"
    word = "pair_end"


class Odd(WordRule):
    __doc__ = WordRule.__doc__
    code, name, severity, fixable, default = "TOY301", "odd-word", Severity.INFO, "none", False
    word = "odd"


def solve(store: FactStore, settings: Settings) -> Any:
    return SimpleNamespace(store=store, settings=settings)


REGISTRY = Registry([Bad, Worse, Paired, PairEnd, Odd, UnreadableSource, UnusedSuppression])
ANALYZER = Analyzer(REGISTRY, solve)
