"""An entry more in a dict that is saved, and the load that belongs to it.

state = {                                              state = {
    "model": model.state_dict(),                           "model": model.state_dict(),
    "epoch": epoch,                                        "optimizer": optimizer.state_dict(),
}                                                          "epoch": epoch,
                                                       }
model.load_state_dict(checkpoint["model"])             model.load_state_dict(checkpoint["model"])
                                                       if "optimizer" in checkpoint:
                                                           optimizer.load_state_dict(checkpoint["optimizer"])

The new entry goes before the last one, where neither a comment nor a missing comma is in its way.
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit, Position, Span
from ckptlint.fixes.edit import insertion
from ckptlint.fixes.shapes.expression import part, repeatable
from ckptlint.fixes.shapes.file import File


def entry_added(file: File, entries: ast.Dict, name: str, value: str) -> Edit | None:
    """Put `"name": value` before the last entry; None where the dict is empty, or has one of that name."""
    last = entries.keys[-1] if entries.keys else None
    named = {one.value for one in entries.keys if isinstance(one, ast.Constant)}
    if last is None or name in named:
        return None
    start, _ = part(file.text, last)
    lead = file.rows[last.lineno - 1][: last.col_offset]
    gap = f"\n{lead}" if not lead.strip() else " "
    return file.replacement(start, start, f"{file.quoted(name)}: {value},{gap}")


def source_of(file: File, load: ast.Call) -> str | None:
    """The text of `checkpoint` in `model.load_state_dict(checkpoint["model"])`."""
    entry = load.args[0] if load.args else None
    if not isinstance(entry, ast.Subscript) or not isinstance(entry.slice, ast.Constant):
        return None
    start, end = part(file.text, entry.value)
    text = file.text[start:end]
    return text if repeatable(text) else None


def loads_added(file: File, statement: Span, source: str, parts: list[tuple[str, str]]) -> Edit | None:
    """After a statement on its own lines: each `target.load_state_dict(source[name])`, if the file has that entry."""
    lead = file.rows[statement.start.row - 1][: statement.start.column - 1]
    rest = file.rows[statement.end.row - 1][statement.end.column - 1 :].strip()
    if lead.strip() or (rest and not rest.startswith("#")) or statement.end.row >= len(file.rows):
        return None
    step = "\t" if lead.endswith("\t") else "    "
    lines = [
        f"{lead}if {name} in {source}:\n{lead}{step}{target}.load_state_dict({source}[{name}])\n"
        for name, target in ((file.quoted(name), target) for name, target in parts)
    ]
    return insertion(file.path, Position(statement.end.row + 1, 1), "".join(lines))
