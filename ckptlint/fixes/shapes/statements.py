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
from ckptlint.fixes.shapes.file import File


def before(file: File, statement: Span, added: Sequence[str]) -> Edit | None:
    """Put the statements `added` before one that begins at `statement.start`.

    Each is simple, or one line of a block (`if x:\\n    y`). None when that cannot be: a block among semicolons.
    """
    lead = file.rows[statement.start.row - 1][: statement.start.column - 1]
    if not lead.strip():
        lines = "".join(f"{_indented(one, lead)}\n{lead}" for one in added)
        return insertion(file.path, statement.start, lines)
    head = lead.rstrip()
    if head.endswith(":") and _ends_its_line(file, statement):
        outer = lead[: len(lead) - len(lead.lstrip())]
        inner = outer + ("\t" if outer.endswith("\t") else "    ")
        gap = Span(Position(statement.start.row, len(head) + 1), statement.start)
        return Edit(Place(file.path, gap), "".join(f"\n{inner}{_indented(one, inner)}" for one in (*added, "")))
    if any(_is_block(one) for one in added):
        return None
    return insertion(file.path, statement.start, "".join(f"{one}; " for one in added))


def after(file: File, statement: Span, added: Sequence[str]) -> Edit:
    """Put the statements `added`, all of them simple, after one that lies at `statement`."""
    lead = file.rows[statement.start.row - 1][: statement.start.column - 1]
    if not lead.strip() and _ends_its_line(file, statement):
        lines = [f"{lead}{one}" for one in added]
        if statement.end.row < len(file.rows):
            return insertion(file.path, Position(statement.end.row + 1, 1), "".join(f"{one}\n" for one in lines))
        at = Position(statement.end.row, len(file.rows[-1]) + 1)
        return insertion(file.path, at, "".join(f"\n{one}" for one in lines))
    return insertion(file.path, statement.end, "".join(f"; {one}" for one in added))


def block_after(file: File, statement: Span, header: str, body: str) -> Edit | None:
    """Put a block of one line, `header` and under it `body`, after a statement; None where that shares its line."""
    lead = file.rows[statement.start.row - 1][: statement.start.column - 1]
    if lead.strip() or not _ends_its_line(file, statement):
        return None
    return after(file, statement, [header, ("\t" if lead.endswith("\t") else "    ") + body])


def raising(file: File, statement: Span, added: str, *, instead: bool = False) -> Edit | None:
    """Put the statement `added` after one, or in the place of one that does nothing."""
    if instead:
        return Edit(Place(file.path, statement), added)
    return after(file, statement, [added])


def _ends_its_line(file: File, statement: Span) -> bool:
    rest = file.rows[statement.end.row - 1][statement.end.column - 1 :].strip()
    return not rest or rest.startswith("#")


def _is_block(statement: str) -> bool:
    return statement.split("\n", maxsplit=1)[0].endswith(":")


def _indented(statement: str, lead: str) -> str:
    """A block with its inner lines indented; a simple statement over several lines stays as it was written."""
    return statement.replace("\n", f"\n{lead}") if _is_block(statement) else statement
