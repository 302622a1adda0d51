"""A report with one finding of each kind, for the tests of the formats."""

from __future__ import annotations

from ckptlint.findings import (
    Applicability,
    Confidence,
    Edit,
    Finding,
    Fix,
    Place,
    Position,
    Related,
    Severity,
    Span,
)
from ckptlint.report.model import Item, Report
from tests.toy import REGISTRY

ROOT = "/home/me/my project"
TRAIN = "net = DataParallel(Net())\nbad(net.state_dict(), path)\n"
TEST = "import torch\n\nmodel.load(torch.load(path))\n"
FILES = {"src/train, 1.py": TRAIN, "test.py": TEST}


def span(row: int, column: int, end_column: int, end_row: int | None = None) -> Span:
    return Span(Position(row, column), Position(end_row or row, end_column))


SAVE = Finding(
    code="TOY101",
    name="bad-word",
    message='loading fails: Unexpected key(s) in state_dict: "module.conv1.weight",\n100 % of them',
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    place=Place("src/train, 1.py", span(2, 1, 4)),
    statement=span(2, 1, 28),
    related=(
        Related(Place("src/train, 1.py", span(1, 7, 26)), "the model is wrapped here"),
        Related(Place("test.py", span(3, 1, 29)), "this load fails"),
    ),
    fix=Fix(
        Applicability.SAFE,
        "Save the unwrapped model",
        (
            Edit(Place("src/train, 1.py", span(2, 5, 8)), "net.module"),
            Edit(Place("test.py", span(1, 13, 13)), "\nimport os"),
        ),
    ),
)
LOAD = Finding(
    code="TOY102",
    name="worse-word",
    message="this load fails",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    place=Place("test.py", span(3, 1, 29)),
    statement=span(3, 1, 29),
    fix=Fix(Applicability.UNSAFE, "Strip the prefix", (Edit(Place("test.py", span(3, 1, 6)), "other"),)),
)
SPREAD = Finding(
    code="TOY301",
    name="odd-word",
    message="this is odd",
    severity=Severity.INFO,
    confidence=Confidence.LOW,
    place=Place("test.py", span(1, 1, 5, end_row=3)),
    statement=span(1, 1, 5, end_row=3),
)


def report(*findings: Finding, files: dict[str, str] | None = None, **options) -> Report:
    texts = FILES if files is None else files
    items = tuple(Item(ROOT, finding) for finding in findings or (SAVE, LOAD, SPREAD))
    return Report(items=items, text=lambda root, path: texts.get(path), rules=REGISTRY.rules, directory=ROOT, **options)
