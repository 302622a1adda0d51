"""Put what was measured into the documentation, between two marks, with the machine and the date.

    <!-- measured: load cpu -->
    ...
    <!-- end of load cpu -->

A script that measures writes its own block and no other, so that a figure in the docs is one that a script printed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs" / "checkpoints.md"


def write_block(name: str, machine: str, table: Sequence[Sequence[str]]) -> None:
    """Replace the block `name` by a table, whose first row is its heading.

    Raises SystemExit when the marks are not there.
    """
    first, *rows = table
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    lines = [f"{machine}, {today}:", "", _row(first), _row(["---"] * len(first)), *map(_row, rows)]
    begin, end = f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
    text = DOCS.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{DOCS} has no block {name!r}")
    block = "\n".join([begin, *lines, end])
    DOCS.write_text(re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.DOTALL))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
