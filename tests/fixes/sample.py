"""Findings made by hand, for tests of the machinery: `change("a.py", 1, 3, 8, "new")` is row 1, columns 3 to 8."""

from __future__ import annotations

from ckptlint.findings import (
    Applicability,
    Confidence,
    Edit,
    Finding,
    Fix,
    Place,
    Position,
    Severity,
    Span,
)


def change(path: str, row: int, start: int, end: int, content: str) -> Edit:
    return Edit(Place(path, Span(Position(row, start), Position(row, end))), content)


def finding(
    *edits: Edit, code: str = "CKPT101", applicability: Applicability = Applicability.SAFE, row: int = 0
) -> Finding:
    first = edits[0].place
    place = first if not row else Place(first.path, Span(Position(row, 1), Position(row, 2)))
    return Finding(
        code=code,
        name="name",
        message="message",
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
        place=place,
        statement=place.span,
        fix=Fix(applicability, "Change it", tuple(edits)),
    )
