"""Workflow commands of GitHub Actions: findings become annotations of the pull request.

    ::error title=ckptlint (CKPT101),file=train.py,line=9,col=12,endLine=9,endColumn=28::train.py:9:12: CKPT101 ...

`%`, carriage returns and line feeds are escaped everywhere, `:` and `,` in properties too, as
https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts does.
"""

from __future__ import annotations

from ckptlint.findings import Severity
from ckptlint.report.model import Item, Report

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> str:
    """One line a finding."""
    return "".join(_line(item, report) + "\n" for item in report.items)


def _line(item: Item, report: Report) -> str:
    finding = item.finding
    span = finding.place.span
    path = report.shown(item.root, finding.place.path)
    properties = {
        "title": f"ckptlint ({finding.code})",
        "file": path,
        "line": str(span.start.row),
        "col": str(span.start.column),
        "endLine": str(span.end.row),
        "endColumn": str(span.end.column),
    }
    if span.end.row != span.start.row:  # GitHub refuses columns when the lines differ
        del properties["col"], properties["endColumn"]
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    message = f"{path}:{span.start.row}:{span.start.column}: {finding.code} {finding.message}"
    return f"::{_COMMANDS[finding.severity]} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
