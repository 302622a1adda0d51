"""Look at what a forgiving load says.

    model.load_state_dict(state, strict=False)

becomes

    incompatible_keys = model.load_state_dict(state, strict=False)
    if any(incompatible_keys):
        warnings.warn(f"the checkpoint does not fit the model: {incompatible_keys}", stacklevel=2)

Where the answer has a name already, that is the one that is looked at.
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit, Position, Span
from ckptlint.fixes.edit import insertion
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.names import fresh
from ckptlint.fixes.shapes.statements import block_after
from ckptlint.fixes.shapes.warned import warned

_TEXT = "the checkpoint does not fit the model"


def told(file: File, statement: ast.Expr | ast.Assign, place: Span) -> tuple[Edit, ...] | None:
    """The edits for a load that is a statement, or the value of one; None where nothing can be put behind it."""
    new = fresh("incompatible_keys", file.names_around(place.start.row))
    kept = _kept(statement)
    if kept is None:
        return None
    names = kept or (new,)
    test = f"any({names[0]})" if len(names) == 1 else " or ".join(names)
    shown = "{" + "} {".join(names) + "}"
    warning, imports = warned(file, place.start.row, file.quoted(f"{_TEXT}: {shown}", formatted=True))
    block = block_after(file, place, f"if {test}:", warning)
    if block is None:
        return None
    named = () if kept else (_named(file, statement, place, new),)
    return (*named, block, *imports)


def _kept(statement: ast.Expr | ast.Assign) -> tuple[str, ...] | None:
    """The names that hold the answer, none where it has no name that can be read; None for other targets."""
    if isinstance(statement, ast.Expr):
        return ()
    target = statement.targets[0]
    if len(statement.targets) == 1 and isinstance(target, ast.Name):
        return () if target.id == "_" else (target.id,)
    if len(statement.targets) == 1 and isinstance(target, ast.Tuple) and len(target.elts) == 2:
        names = [one.id for one in target.elts if isinstance(one, ast.Name) and one.id != "_"]
        return tuple(names) if len(names) == 2 else None
    return None


def _named(file: File, statement: ast.Expr | ast.Assign, place: Span, name: str) -> Edit:
    if isinstance(statement, ast.Expr):
        return insertion(file.path, place.start, f"{name} = ")
    gap = Span(place.start, Position(place.start.row, place.start.column + 1))  # `_`
    start, end = file.offsets(gap) or (0, 0)
    return file.replacement(start, end, name)
