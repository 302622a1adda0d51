"""Obey the comments: which findings of a file are silenced, and which comments silence nothing (CKPT902)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from ckptlint.findings import Applicability, Confidence, Edit, Finding, Fix, Place, Severity
from ckptlint.suppress.comments import Directive, Lines, directives

UNUSED = "CKPT902"
UNUSED_NAME = "unused-suppression"


class Verdict(msgspec.Struct, frozen=True):
    """The findings of one file after its comments were heard."""

    kept: tuple[Finding, ...]
    silenced: tuple[Finding, ...]
    unused: tuple[Finding, ...]
    """CKPT902 findings that are not themselves silenced."""


def hear(path: str, text: str, findings: Iterable[Finding], judged: Collection[str]) -> Verdict:
    """Part the findings of a file. `judged` are the codes of the rules that ran for it: only those can be unused."""
    orders = directives(text)
    kept: list[Finding] = []
    silenced: list[Finding] = []
    used: set[tuple[int, str]] = set()
    for finding in findings:
        heard = [number for number, order in enumerate(orders) if silences(order, finding)]
        used |= {(number, finding.code) for number in heard}
        (silenced if heard else kept).append(finding)
    unused = [
        found
        for number, order in enumerate(orders)
        if (found := _unused(path, text, order, {code for at, code in used if at == number}, judged))
    ]
    return Verdict(
        tuple(kept),
        tuple(silenced),
        tuple(found for found in unused if not any(_silences_by_code(order, found) for order in orders)),
    )


def silences(order: Directive, finding: Finding) -> bool:
    """Whether the directive is about this finding."""
    if not order.blanket and not any(code == finding.code for code, _ in order.codes):
        return False
    if order.kind == "file-ignore":
        return True
    first, last = finding.statement.start.row, last_row(finding)
    reported = finding.place.span.start.row
    if order.kind == "noqa":
        return order.row in (first, last, reported)
    return min(first, reported) <= order.row <= last or order.target == first


def last_row(finding: Finding) -> int:
    """The last row of the statement around a finding."""
    end = finding.statement.end
    return end.row - 1 if end.column == 1 and end.row > finding.statement.start.row else end.row


def _silences_by_code(order: Directive, finding: Finding) -> bool:
    return not order.blanket and silences(order, finding)


def _unused(path: str, text: str, order: Directive, used: set[str], judged: Collection[str]) -> Finding | None:
    if order.blanket:
        return None
    unused = [code for code, _ in order.codes if code in judged and code not in used and code != UNUSED]
    if order.codes and not unused:
        return None
    lines = Lines(text)
    written = text[order.start : order.end]
    if not order.codes:
        message = f"`{written}` names no rule, so it suppresses nothing: write `{written.rstrip('[]')}[CKPT101]`"
    else:
        where = "in this file" if order.kind == "file-ignore" else "here"
        message = f"this comment suppresses nothing: there is no {' or '.join(unused)} {where}"
    span = lines.span(order.start, order.end)
    content, start, end = _without(text, order, [code for code, _ in order.codes if code not in unused])
    fix = Fix(
        Applicability.SAFE,
        "Remove the unused suppression",
        (Edit(Place(path, lines.span(start, end)), content),),
    )
    return Finding(
        code=UNUSED,
        name=UNUSED_NAME,
        message=message,
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
        place=Place(path, span),
        statement=span,
        fix=fix,
    )


def _without(text: str, order: Directive, remaining: list[str]) -> tuple[str, int, int]:
    """The edit that leaves `remaining` codes: new text, and the offsets of the old."""
    if remaining:
        first = order.codes[0][1]
        last = order.codes[-1][1] + len(order.codes[-1][0])
        return ", ".join(remaining), first, last
    comment = order.comment
    after = text[order.end : comment.end]
    if after.strip():  # something else is said in the same comment
        rest = after.lstrip()
        kept = "" if rest.startswith("#") else "# "
        return kept, order.start, order.end + len(after) - len(rest)
    start = order.start
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    if comment.alone and order.start == comment.start:  # the whole line goes
        end = comment.end + 1 if comment.end < len(text) else comment.end
        return "", start, end
    return "", start, comment.end
