"""SARIF 2.1.0, for code scanning services.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Every URI is relative to a base that stands for the
root of a project, so that a log made on one machine is right on another. A result is known again by the text of its
line, not by the line's number: its fingerprint stays the same when lines are added above.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ckptlint import __version__
from ckptlint.findings import Finding, Fix, Place, Severity, Span
from ckptlint.report.model import Item, Report

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_FINGERPRINT = "primaryLocationLineHash"  # the name that GitHub's code scanning looks for

Object = dict[str, object]


def render(report: Report) -> str:
    """One log with one run."""
    codes = sorted({item.finding.code for item in report.items})
    bases = _bases(report.items)
    seen: Counter[tuple[str, str, str]] = Counter()
    run: Object = {
        "tool": {
            "driver": {"name": "ckptlint", "version": __version__, "rules": [_rule(code, report) for code in codes]}
        },
        "originalUriBaseIds": {
            base: {"uri": Path(root).as_uri().rstrip("/") + "/"} for root, base in sorted(bases.items())
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(item, report, codes, bases[item.root], seen) for item in report.items],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _bases(items: Sequence[Item]) -> dict[str, str]:
    """A name for each root."""
    roots = sorted({item.root for item in items})
    return {root: "SRCROOT" if len(roots) == 1 else f"SRCROOT{number}" for number, root in enumerate(roots, 1)}


def _rule(code: str, report: Report) -> Object:
    rule = report.rules[code]
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary()},
        "help": {"text": rule.manual(), "markdown": rule.manual()},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(item: Item, report: Report, codes: Sequence[str], base: str, seen: Counter[tuple[str, str, str]]) -> Object:
    finding = item.finding
    result: Object = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": _location(finding.place, base)}],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(finding, report.text(item.root, finding.place.path), seen)},
        "properties": {"confidence": finding.confidence.value},
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _location(related.place, base), "message": {"text": related.message}}
            for number, related in enumerate(finding.related, 1)
        ]
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding.fix, base)]
    return result


def _location(place: Place, base: str) -> Object:
    return {"artifactLocation": _artifact(place.path, base), "region": _region(place.span)}


def _artifact(path: str, base: str) -> Object:
    return {"uri": quote(path.encode("utf-8", "surrogateescape")), "uriBaseId": base}


def _region(span: Span) -> Object:
    return {
        "startLine": span.start.row,
        "startColumn": span.start.column,
        "endLine": span.end.row,
        "endColumn": span.end.column,
    }


def _fingerprint(finding: Finding, text: str | None, seen: Counter[tuple[str, str, str]]) -> str:
    """A hash of the rule, the file and the line without its blanks, and which of several equal ones it is."""
    rows = [] if text is None else text.split("\n")
    row = finding.place.span.start.row
    line = "".join(rows[row - 1].split()) if row <= len(rows) else ""
    key = (finding.code, finding.place.path, line)
    seen[key] += 1
    digest = hashlib.sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{digest[:16]}:{seen[key]}"


def _fix(fix: Fix, base: str) -> Object:
    paths = sorted({edit.place.path for edit in fix.edits})
    return {
        "description": {"text": fix.message},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(path, base),
                "replacements": [
                    {"deletedRegion": _region(edit.place.span), "insertedContent": {"text": edit.content}}
                    for edit in fix.edits
                    if edit.place.path == path
                ],
            }
            for path in paths
        ],
    }
