"""The fix of a silent partial load: warn when fewer keys are loaded than the model has.

It is never safe: what may be missing is known to the author alone.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.partial import PartialLoad
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span, statement_of
from ckptlint.fixes.shapes.counted_keys import before_merge, behind_pick
from ckptlint.fixes.shapes.file import File


def fix(project: Project, load: PartialLoad) -> Fix | None:
    """The fix, None where neither the dict of picked keys nor the merge is a statement with names.

    Where nothing is ever loaded, a warning is no help.
    """
    if load.nothing:
        return None
    file = project.derived(Sources)[load.site.file]
    path = path_to(file, project.place(load.site)) if file is not None else None
    if file is None or path is None:
        return None
    edits = _edits(file, path)
    return Fix(Applicability.UNSAFE, "warn when fewer keys are loaded than the model has", edits) if edits else None


def _edits(file: File, path: list[ast.AST]) -> tuple[Edit, ...] | None:
    test, statement = path[-1], statement_of(path)
    place = span(file, statement)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return before_merge(file, statement.value, place)
    if not isinstance(test, ast.Compare) or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Name) or not isinstance(statement.value, ast.DictComp):
        return None
    return behind_pick(file, target.id, test.comparators[0], place)
