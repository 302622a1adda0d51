"""Statements before or after a statement: on their own lines, or with semicolons where it shares its line.

model.load_state_dict(state)                weights = clean(state)
                                            model.load_state_dict(state)

if resume: model.load_state_dict(state)     if resume:
                                                weights = clean(state)
                                                model.load_state_dict(state)

start(); model.load_state_dict(state)       start(); weights = clean(state); model.load_state_dict(state)
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptlint.findings import Edit, Place, Position, Span
from ckptlint.fixes.edit import insertion


def before(path: str, text: str, statement: Span, added: Sequence[str]) -> Edit | None:
    """Put the statements `added` before one that begins at `statement.start`.

    Each is simple, or one line of a block (`if x:\\n    y`). None when that cannot be: a block among semicolons.
    """
    row = text.split("\n")[statement.start.row - 1]
    lead = row[: statement.start.column - 1]
    if not lead.strip():
        lines = "".join(f"{_indented(one, lead)}\n{lead}" for one in added)
        return insertion(path, statement.start, lines)
    head = lead.rstrip()
    if head.endswith(":") and _ends_its_line(text, statement):
        outer = lead[: len(lead) - len(lead.lstrip())]
        inner = outer + ("\t" if outer.endswith("\t") else "    ")
        gap = Span(Position(statement.start.row, len(head) + 1), statement.start)
        return Edit(Place(path, gap), "".join(f"\n{inner}{_indented(one, inner)}" for one in (*added, "")))
    if any(_is_block(one) for one in added):
        return None
    return insertion(path, statement.start, "".join(f"{one}; " for one in added))


def after(path: str, text: str, statement: Span, added: Sequence[str]) -> Edit | None:
    """Put the statements `added` after one that lies at `statement`; None when that cannot be."""
    rows = text.split("\n")
    lead = rows[statement.start.row - 1][: statement.start.column - 1]
    if not lead.strip() and _ends_its_line(text, statement):
        lines = [f"{lead}{_indented(one, lead)}" for one in added]
        if statement.end.row < len(rows):
            return insertion(path, Position(statement.end.row + 1, 1), "".join(f"{one}\n" for one in lines))
        at = Position(statement.end.row, len(rows[-1]) + 1)
        return insertion(path, at, "".join(f"\n{one}" for one in lines))
    if any(_is_block(one) for one in added):
        return None
    return insertion(path, statement.end, "".join(f"; {one}" for one in added))


def _ends_its_line(text: str, statement: Span) -> bool:
    rest = text.split("\n")[statement.end.row - 1][statement.end.column - 1 :].strip()
    return not rest or rest.startswith("#")


def _is_block(statement: str) -> bool:
    return statement.split("\n", maxsplit=1)[0].endswith(":")


def _indented(statement: str, lead: str) -> str:
    """A block with its inner lines indented; a simple statement over several lines stays as it was written."""
    return statement.replace("\n", f"\n{lead}") if _is_block(statement) else statement
