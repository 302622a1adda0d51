"""The fix of an answer that is taken for the module: the load becomes a statement of its own."""

from __future__ import annotations

import ast

from ckptlint.analysis.not_modules import NotAModule
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span, statement_of
from ckptlint.fixes.shapes.load_statement import alone


def fix(project: Project, load: NotAModule) -> Fix | None:
    """The fix, None where the load stands inside another expression."""
    file = project.derived(Sources)[load.call.file]
    path = path_to(file, project.place(load.call)) if file is not None else None
    if file is None or path is None:
        return None
    call, statement = path[-1], statement_of(path)
    if not isinstance(call, ast.Call) or not isinstance(statement, ast.Assign | ast.Return):
        return None
    if statement.value is not call:
        return None
    edits = alone(file, statement, call, span(file, statement))
    return Fix(Applicability.SAFE, "load, and keep the model", edits) if edits is not None else None
