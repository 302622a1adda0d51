"""Fixes of slips in the calls of `torch.load` and `load_state_dict`.

model.load_state_dict("w.pth")                               read the file first: unsafe, see CKPT309
model.load_state_dict(torch.load(path), map_location=d)      the argument moves into the inner call: safe
model.load_state_dict(torch.load(path, strict=False))        the argument moves into the outer call: safe
model.load_state_dict(state, map_location=d)                 no fix: where `state` was read is another statement
"""

from __future__ import annotations

import ast

from ckptlint.analysis.events import SlipEvent
from ckptlint.analysis.slips import OF_LOAD_STATE_DICT
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.arguments import moved_into
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import TORCH, reference


def read_first(project: Project, slip: SlipEvent) -> Fix | None:
    """`model.load_state_dict(torch.load(path, map_location="cpu"))`."""
    file, path = _found(project, slip)
    call = path[-1] if path else None
    if file is None or not isinstance(call, ast.Call) or not call.args:
        return None
    offsets = file.offsets(span(file, call.args[0]))
    if offsets is None:
        return None
    torch = reference(file, TORCH)
    read = f'{torch.expression}.load({file.text[slice(*offsets)]}, map_location="cpu")'
    edits = (file.replacement(*offsets, read), *torch.edits)
    return Fix(Applicability.UNSAFE, "read the file", edits)


def moved(project: Project, slip: SlipEvent) -> Fix | None:
    """The argument in the call that it belongs to."""
    file, path = _found(project, slip)
    call = path[-1] if path else None
    if file is None or path is None or not isinstance(call, ast.Call):
        return None
    if slip.what in OF_LOAD_STATE_DICT:
        outer = path[-2] if len(path) > 1 else None
        if not isinstance(outer, ast.Call) or not _is_named(outer, "load_state_dict") or call not in outer.args:
            return None
        target, keyword = outer, slip.what
    else:
        inner = call.args[0] if call.args else None
        if not isinstance(inner, ast.Call) or not _is_named(inner, "load"):
            return None
        target, keyword = inner, slip.what or "map_location"
    edits = moved_into(file, call, target, keyword, positional=1 if not slip.what else None)
    return Fix(Applicability.SAFE, f"give `{keyword}` to the call that it belongs to", edits) if edits else None


def _found(project: Project, slip: SlipEvent) -> tuple[File | None, list[ast.AST] | None]:
    file = project.derived(Sources)[slip.site.file]
    return file, path_to(file, project.place(slip.site)) if file is not None else None


def _is_named(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == name
