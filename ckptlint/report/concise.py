"""One line a finding: `train.py:31:5: CKPT101 [*] message`. `[*]` marks what `--fix` would mend."""

from __future__ import annotations

from ckptlint.report.model import Item, Report
from ckptlint.report.paint import Paint


def render(report: Report) -> str:
    """The lines."""
    paint = Paint(report.color)
    return "".join(_line(item, report, paint) + "\n" for item in report.items)


def _line(item: Item, report: Report, paint: Paint) -> str:
    finding = item.finding
    start = finding.place.span.start
    where = f"{paint.bold(report.shown(item.root, finding.place.path))}:{start.row}:{start.column}:"
    mark = " [" + paint.cyan("*") + "]" if report.can_apply(finding) else ""
    return f"{where} {paint.severity(finding.severity, finding.code)}{mark} {finding.message}"
