"""`--add-noqa`: write the comments that silence findings, and know the row where such a comment goes.

A comment can't go everywhere: not behind a backslash, not into a string that runs over several lines. Places are tried
in turn, and the first where the comment is then heard for the finding is taken:

    the reported row,  the last row of the statement,  the other rows of it,  a line of its own above
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.findings import Finding, Position, Span
from ckptlint.suppress.apply import last_row, silences
from ckptlint.suppress.comments import Directive, Lines, directives

_INDENT = re.compile(r"[ \t\f]*")


class Silenced(msgspec.Struct, frozen=True):
    """The text with its new comments, and how many findings they silence."""

    text: str
    count: int


def noqa_row(text: str, finding: Finding) -> int:
    """The row where a `# noqa` at the end silences the finding; the reported row when none can."""
    reported = finding.place.span.start.row
    rows = (reported, last_row(finding), finding.statement.start.row)
    appended = ((_appended(text, row, f"# noqa: {finding.code}"), row) for row in rows)
    return next((row for new, row in appended if new and _is_heard(new, finding, 0)), reported)


def add_noqa(text: str, findings: Iterable[Finding], reason: str = "") -> Silenced:
    """Silence every finding of a file. Comments are added from the bottom up, so that rows above stay true."""
    count = 0
    for finding in sorted(findings, key=lambda finding: finding.order, reverse=True):
        for new, shift in _candidates(text, finding, finding.code, reason):
            if _is_heard(new, finding, shift):
                text, count = new, count + 1
                break
    return Silenced(text, count)


def _is_heard(text: str, finding: Finding, shift: int) -> bool:
    """Whether a comment of the new text silences the finding, whose statement moved `shift` rows down."""
    moved = msgspec.structs.replace(
        finding,
        place=msgspec.structs.replace(finding.place, span=_moved(finding.place.span, shift)),
        statement=_moved(finding.statement, shift),
    )
    return any(order.codes and silences(order, moved) for order in directives(text))


def _moved(span: Span, shift: int) -> Span:
    return Span(Position(span.start.row + shift, span.start.column), Position(span.end.row + shift, span.end.column))


def _candidates(text: str, finding: Finding, code: str, reason: str = "") -> Iterator[tuple[str, int]]:
    """New texts, each with the number of rows that the statement moved down."""
    lines = Lines(text)
    first, last, reported = finding.statement.start.row, last_row(finding), finding.place.span.start.row
    orders = [order for order in directives(text) if order.kind == "ignore" and order.codes]
    for order in orders:
        if silences(msgspec.structs.replace(order, codes=((code, 0),)), finding):
            yield _with_code(text, order, code), 0
    comment = f"# ckptlint: ignore[{code}]" + (f" -- {reason}" if reason else "")
    for row in dict.fromkeys((reported, last, *range(first, last + 1))):
        new = _appended(text, row, comment)
        if new is not None:
            yield new, 0
    start = lines.start(min(first, len(lines)))
    indent = _INDENT.match(lines.line(first))
    yield f"{text[:start]}{indent[0] if indent else ''}{comment}\n{text[start:]}", 1


def _appended(text: str, row: int, comment: str) -> str | None:
    """The text with a comment at the end of a row; None where there is no room for one."""
    lines = Lines(text)
    line = lines.line(row)
    if not line.strip() or line.endswith("\\"):
        return None
    end = lines.start(row) + len(line)
    return f"{text[:end].rstrip(' ')}  {comment}{text[end:]}"


def _with_code(text: str, order: Directive, code: str) -> str:
    if any(known == code for known, _ in order.codes):
        return text
    last, offset = order.codes[-1]
    end = offset + len(last)
    return f"{text[:end]}, {code}{text[end:]}"
