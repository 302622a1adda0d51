"""Put what was measured into the documentation, between two marks, with the machine and the date.

    <!-- measured: load cpu -->
    ...
    <!-- end of load cpu -->

A script that measures writes its own block and no other, so that a figure in the docs is one that a script printed.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def write_block(page: Path, name: str, content: str) -> None:
    """Replace what stands in the block `name` of a page.

    Raises SystemExit when the marks are not there.
    """
    begin, end = f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page} has no block {name!r}")
    page.write_text(f"{before}{begin}\n{content}\n{end}{after}", encoding="utf-8")


def dated_table(machine: str, table: Sequence[Sequence[str]]) -> str:
    """A table, whose first row is its heading, below the machine and the date."""
    first, *rows = table
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return "\n".join([f"{machine}, {today}:", "", _row(first), _row(["---"] * len(first)), *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
