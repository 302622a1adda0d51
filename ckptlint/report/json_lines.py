"""One JSON object a line: what `json` has in its list."""

from __future__ import annotations

import json

from ckptlint.report.json import as_object
from ckptlint.report.model import Report


def render(report: Report) -> str:
    """The lines."""
    return "".join(json.dumps(as_object(item, report)) + "\n" for item in report.items)
