"""Count the keys that are loaded.

    picked = {k: v for k, v in loaded.items() if k in own}

becomes

    picked = {k: v for k, v in loaded.items() if k in own}
    if len(picked) < len(own):
        warnings.warn(f"only {len(picked)} of {len(own)} keys are loaded", stacklevel=2)

and `own.update(loaded)` the same, with the question before it.
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit, Span
from ckptlint.fixes.shapes.expression import part, repeatable
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.names import fresh
from ckptlint.fixes.shapes.statements import before, block_after
from ckptlint.fixes.shapes.warned import warned


def behind_pick(file: File, picked: str, container: ast.expr, place: Span) -> tuple[Edit, ...] | None:
    """The edits for a statement at `place` that gives `picked` the keys that are in `container`."""
    if isinstance(container, ast.Call) and isinstance(container.func, ast.Attribute) and container.func.attr == "keys":
        container = container.func.value
    own = file.text[slice(*part(file.text, container))]
    if not repeatable(own) or own == picked:
        return None
    header, text = _question(file, picked, own)
    body, imports = warned(file, place.start.row, text)
    block = block_after(file, place, header, body)
    return (block, *imports) if block is not None else None


def before_merge(file: File, call: ast.Call, place: Span) -> tuple[Edit, ...] | None:
    """The edits for the statement `own.update(loaded)` at `place`."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "update" or call.keywords or len(call.args) != 1:
        return None
    own = file.text[slice(*part(file.text, call.func.value))]
    given = part(file.text, call.args[0])
    loaded = file.text[slice(*given)]
    if not repeatable(own) or isinstance(call.args[0], ast.Dict | ast.Starred) or "\n" in loaded:
        return None
    lines: list[str] = []
    edits: tuple[Edit, ...] = ()
    if not repeatable(loaded):
        name = fresh("loaded", file.names_around(place.start.row))
        lines, edits, loaded = [f"{name} = {loaded}"], (file.replacement(*given, name),), name
    header, text = _question(file, loaded, own)
    body, imports = warned(file, place.start.row, text)
    put = before(file, place, [*lines, f"{header}\n    {body}"])
    return (put, *edits, *imports) if put is not None else None


def _question(file: File, loaded: str, own: str) -> tuple[str, str]:
    said = f"only {{len({loaded})}} of {{len({own})}} keys are loaded"
    return f"if len({loaded}) < len({own}):", file.quoted(said, formatted=True, inside=loaded + own)
