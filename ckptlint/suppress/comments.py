"""Find the comments that silence findings.

    torch.save(model.state_dict(), path)  # ckptlint: ignore[CKPT101] -- read by our own loader
    # ckptlint: file-ignore[CKPT501]
    torch.save(model.state_dict(), path)  # noqa: E501, CKPT101

Only comments count: one regular expression steps over strings and comments alike, so that a `#` in a string is no
comment and a quote in a comment opens no string. A comment may hold several directives, one after another.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from ckptlint.findings import Position, Span

_STRING_OR_COMMENT = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r"|(?P<comment>#[^\n]*)",
    re.DOTALL,
)
_DIRECTIVE = re.compile(
    r"#\s*ckptlint:\s*(?P<kind>file-ignore|ignore)\b(?:\s*\[(?P<codes>[^\]#]*)\])?(?P<reason>\s*--[^#]*)?"
    r"|#\s*(?P<noqa>noqa)\b(?:\s*:\s*(?P<noqa_codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*))?",
    re.IGNORECASE,
)
_CODE = re.compile(r"[^\s,]+")


class Comment(msgspec.Struct, frozen=True):
    """A comment; offsets count characters of the text, `alone` means nothing but blanks stands before it."""

    start: int
    end: int
    row: int
    alone: bool


class Directive(msgspec.Struct, frozen=True):
    """One order to be silent. `kind` is "ignore", "file-ignore" or "noqa".

    `codes` are as written, each with its offset; a noqa without codes silences everything, an ignore without codes
    nothing. `target` is the row of the statement below, for a comment alone on its line.
    """

    kind: str
    codes: tuple[tuple[str, int], ...]
    start: int
    end: int
    row: int
    comment: Comment
    target: int | None

    @property
    def blanket(self) -> bool:
        """`# noqa` without codes."""
        return self.kind == "noqa" and not self.codes


class Lines:
    """Offsets to rows and columns and back; both from 1."""

    def __init__(self, text: str) -> None:
        """`text` has "\\n" line ends."""
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(self, offset: int) -> Position:
        """Where an offset is."""
        row = bisect_right(self._starts, offset)
        return Position(row, offset - self._starts[row - 1] + 1)

    def span(self, start: int, end: int) -> Span:
        """The span between two offsets."""
        return Span(self.position(start), self.position(end))

    def line(self, row: int) -> str:
        """The text of a row, without its end; "" past the end of the file."""
        if not 1 <= row <= len(self._starts):
            return ""
        end = self._starts[row] - 1 if row < len(self._starts) else len(self.text)
        return self.text[self._starts[row - 1] : end]

    def start(self, row: int) -> int:
        """The offset at which a row begins."""
        return self._starts[row - 1]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._starts)


def comments(text: str) -> Iterator[Comment]:
    """Every comment of a text, in order."""
    row, counted = 1, 0
    for match in _STRING_OR_COMMENT.finditer(text):
        start = match.start("comment")
        if start < 0:
            continue
        row += text.count("\n", counted, start)
        counted = start
        line_start = text.rfind("\n", 0, start) + 1
        yield Comment(start, match.end(), row, not text[line_start:start].strip())


def directives(text: str) -> tuple[Directive, ...]:
    """Every directive of a text, in order."""
    if "ckptlint:" not in text and "noqa" not in text.lower():
        return ()
    found: list[Directive] = []
    everything = list(comments(text))
    only_comment = {comment.row for comment in everything if comment.alone}
    for comment in everything:
        target = None
        if comment.alone:
            target = comment.row + 1
            while target in only_comment:
                target += 1
        for match in _DIRECTIVE.finditer(text, comment.start, comment.end):
            group = "noqa_codes" if match["noqa"] else "codes"
            kind = "noqa" if match["noqa"] else match["kind"].lower()
            offset = match.start(group)
            codes = tuple((code[0].upper(), offset + code.start()) for code in _CODE.finditer(match[group] or ""))
            end = match.start() + len(match[0].rstrip())
            found.append(Directive(kind, codes, match.start(), end, comment.row, comment, target))
    return tuple(found)
