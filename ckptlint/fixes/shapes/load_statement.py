"""Make a load a statement of its own.

model = model.load_state_dict(state)         model.load_state_dict(state)

net = model.load_state_dict(state)           model.load_state_dict(state)
                                             net = model

net = Net(8).load_state_dict(state)          net = Net(8)
                                             net.load_state_dict(state)

return model.load_state_dict(state)          model.load_state_dict(state)
                                             return model
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit, Span
from ckptlint.fixes.shapes.expression import part, repeatable
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.statements import after, before


def alone(file: File, statement: ast.Assign | ast.Return, call: ast.Call, place: Span) -> tuple[Edit, ...] | None:
    """The edits for a statement whose value is the call; None where they would not mean the same."""
    offsets = file.offsets(place)
    if offsets is None or not isinstance(call.func, ast.Attribute):
        return None
    begin, _ = offsets
    owner_place = part(file.text, call.func.value)
    owner = file.text[slice(*owner_place)]
    unwrapped = file.replacement(begin, part(file.text, call)[0], "")
    if isinstance(statement, ast.Return):
        return (unwrapped, after(file, place, [f"return {owner}"])) if repeatable(owner) else None
    target = statement.targets[0]
    if len(statement.targets) != 1 or not isinstance(target, ast.Name | ast.Attribute):
        return None
    name = file.text[slice(*part(file.text, target))]
    if name == owner:
        return (unwrapped,)
    if repeatable(owner):
        return (unwrapped, after(file, place, [f"{name} = {owner}"]))
    if not isinstance(call.func.value, ast.Call) or "\n" in owner:
        return None
    made = before(file, place, [f"{name} = {owner}"])
    return (made, file.replacement(begin, owner_place[1], name)) if made is not None else None
