"""Statements before or after a statement, on their own lines or, where it shares its line, with semicolons.

if resume:                                  if resume: model.load_state_dict(weights)
    |model.load_state_dict(weights)                    ^ `weights = clean(weights); ` goes in here
^ `weights = clean(weights)` goes in here, as a line of the same indentation
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptlint.findings import Edit, Position, Span
from ckptlint.fixes.edit import insertion


def before(path: str, text: str, statement: Span, added: Sequence[str]) -> Edit | None:
    """Put the statements `added` before one that begins at `statement.start`.

    Each is simple, or one line of a block (`if x:\\n    y`). None when that cannot be: a block on a shared line.
    """
    row = text.split("\n")[statement.start.row - 1]
    lead = row[: statement.start.column - 1]
    if not lead.strip():
        lines = "".join(f"{_indented(one, lead)}\n{lead}" for one in added)
        return insertion(path, statement.start, lines)
    if any(_is_block(one) for one in added):
        return None
    return insertion(path, statement.start, "".join(f"{one}; " for one in added))


def after(path: str, text: str, statement: Span, added: Sequence[str]) -> Edit | None:
    """Put the statements `added` after one that lies at `statement`; None when that cannot be."""
    rows = text.split("\n")
    lead = rows[statement.start.row - 1][: statement.start.column - 1]
    rest = rows[statement.end.row - 1][statement.end.column - 1 :].strip()
    if not lead.strip() and (not rest or rest.startswith("#")):
        lines = [f"{lead}{_indented(one, lead)}" for one in added]
        if statement.end.row < len(rows):
            return insertion(path, Position(statement.end.row + 1, 1), "".join(f"{one}\n" for one in lines))
        at = Position(statement.end.row, len(rows[-1]) + 1)
        return insertion(path, at, "".join(f"\n{one}" for one in lines))
    if any(_is_block(one) for one in added):
        return None
    return insertion(path, statement.end, "".join(f"; {one}" for one in added))


def _is_block(statement: str) -> bool:
    return statement.split("\n", maxsplit=1)[0].endswith(":")


def _indented(statement: str, lead: str) -> str:
    """A block with its inner lines indented; a simple statement over several lines stays as it was written."""
    return statement.replace("\n", f"\n{lead}") if _is_block(statement) else statement
