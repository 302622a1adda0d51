"""A JSON list with one object a finding, named as ruff names things.

Escaped to ASCII, so that it survives any terminal, pipe and file name.
"""

from __future__ import annotations

import json

from ckptlint.findings import Edit, Finding, Fix, Place, Position, Related
from ckptlint.report.model import Item, Report, absolute_path
from ckptlint.suppress.write import noqa_row


def render(report: Report) -> str:
    """The list, indented as ruff's is."""
    return json.dumps([as_object(item, report) for item in report.items], indent=2) + "\n"


def as_object(item: Item, report: Report) -> dict[str, object]:
    """One finding."""
    finding = item.finding
    return {
        "cell": None,
        "code": finding.code,
        "confidence": finding.confidence.value,
        "end_location": _location(finding.place.span.end),
        "filename": absolute_path(item.root, finding.place.path),
        "fix": _fix(finding.fix, item.root),
        "location": _location(finding.place.span.start),
        "message": finding.message,
        "name": finding.name,
        "noqa_row": _noqa_row(finding, report.text(item.root, finding.place.path)),
        "related": [_related(related, item.root) for related in finding.related],
        "severity": finding.severity.value,
        "url": None,
    }


def _noqa_row(finding: Finding, text: str | None) -> int:
    return finding.place.span.start.row if text is None else noqa_row(text, finding)


def _location(position: Position) -> dict[str, int]:
    return {"column": position.column, "row": position.row}


def _where(place: Place, root: str) -> dict[str, object]:
    return {
        "end_location": _location(place.span.end),
        "filename": absolute_path(root, place.path),
        "location": _location(place.span.start),
    }


def _related(related: Related, root: str) -> dict[str, object]:
    return {**_where(related.place, root), "message": related.message}


def _fix(fix: Fix | None, root: str) -> dict[str, object] | None:
    if fix is None:
        return None
    return {
        "applicability": fix.applicability.value,
        "edits": [_edit(edit, root) for edit in fix.edits],
        "message": fix.message,
    }


def _edit(edit: Edit, root: str) -> dict[str, object]:
    return {"content": edit.content, **_where(edit.place, root)}
