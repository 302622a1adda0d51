"""For people: each finding with a code frame, the places elsewhere that belong to it, and what to do.

CKPT101 [*] saving this gives a file whose keys all begin with "module."
 --> train.py:9:12
  |
9 | torch.save(net.state_dict(), path)
  |            ^^^^^^^^^^^^^^^^
  |
note: the model is wrapped here
 --> train.py:8:7
  ...
help: Save the unwrapped model's state dict
"""

from __future__ import annotations

from ckptlint.findings import Applicability, Place
from ckptlint.report.frame import frame
from ckptlint.report.model import Item, Report
from ckptlint.report.paint import Paint

_CONTEXT = 2
_RELATED_CONTEXT = 1


def render(report: Report) -> str:
    """The findings, an empty line between them."""
    paint = Paint(report.color)
    return "".join("\n".join(_finding(item, report, paint)) + "\n\n" for item in report.items)


def _finding(item: Item, report: Report, paint: Paint) -> list[str]:
    finding = item.finding
    mark = " [" + paint.cyan("*") + "]" if report.can_apply(finding) else ""
    lines = [f"{paint.severity(finding.severity, finding.code)}{mark} {paint.bold(finding.message)}"]
    lines += _place(finding.place, item.root, report, paint, _CONTEXT)
    for related in finding.related:
        lines.append(f"{paint.bold('note')}: {related.message}")
        lines += _place(related.place, item.root, report, paint, _RELATED_CONTEXT)
    lines += [f"{paint.bold('help')}: {text}" for text in _help(item, report)]
    return lines


def _place(place: Place, root: str, report: Report, paint: Paint, context: int) -> list[str]:
    start = place.span.start
    text = report.text(root, place.path)
    title = f"{report.shown(root, place.path)}:{start.row}:{start.column}"
    return frame(title, text or "", place.span, paint, context)


def _help(item: Item, report: Report) -> list[str]:
    fix = item.finding.fix
    if fix is None:
        return [item.refusal] if item.refusal else []
    if item.refusal:
        return [f"{fix.message} (not applied: {item.refusal})"]
    if fix.applicability is Applicability.DISPLAY:
        return [f"{fix.message} (by hand: this one is never applied automatically)"]
    if not report.can_apply(item.finding):
        return [f"{fix.message} (look at it first: applied with `--unsafe-fixes`)"]
    return [fix.message]
