"""The fix of CKPT105: the tensors are copied where the weights are kept.

best = model.state_dict()                              best = copy.deepcopy(model.state_dict())
best = dict(model.state_dict())                        best = copy.deepcopy(model.state_dict())
best = model.state_dict().copy()                       best = copy.deepcopy(model.state_dict())
best = {k: v.cpu() for k, v in state.items()}          best = {k: v.cpu().clone() for k, v in state.items()}
best[k] = v                                            best[k] = v.clone()
best_model = model                                     best_model = copy.deepcopy(model)
"""

from __future__ import annotations

import ast

from ckptlint.analysis.aliases import Alias, KeptModel
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.expression import primary
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import COPY, reference


def of_state_dict(project: Project, alias: Alias) -> Fix | None:
    """Keep a copy of the tensors; None where the dict is put together in a way that has no one place to copy at."""
    found = _expression(project, alias.taken.kept)
    if found is None:
        return None
    file, path = found
    node = path[-1]
    message = "keep a copy of the weights"
    tensor = node.value if isinstance(node, ast.DictComp) else _assigned(path)
    if tensor is not None:
        offsets = file.offsets(span(file, tensor))
        assert offsets is not None
        edit = file.replacement(*offsets, f"{primary(file.text[slice(*offsets)])}.clone()")
        return Fix(Applicability.SAFE, message, (edit,))
    if not isinstance(node, ast.Call):
        return None
    inner = _copied_dict(node)
    return _deepcopied(file, node, inner if inner is not None else node, Applicability.SAFE, message)


def of_model(project: Project, kept: KeptModel) -> Fix | None:
    """Keep a copy of the model."""
    found = _expression(project, kept.site)
    if found is None:
        return None
    file, path = found
    node = path[-1]
    return (
        None
        if not isinstance(node, ast.expr)
        else _deepcopied(file, node, node, Applicability.UNSAFE, "keep a copy of the model")
    )


def _expression(project: Project, site: Site) -> tuple[File, list[ast.AST]] | None:
    file = project.derived(Sources)[site.file]
    path = path_to(file, project.place(site)) if file is not None else None
    if file is None or path is None:
        return None
    return None if any(isinstance(one, ast.JoinedStr) for one in path) else (file, path)


def _assigned(path: list[ast.AST]) -> ast.expr | None:
    """What is assigned to the entry at the end of the path."""
    statement = path[-2] if len(path) > 1 else None
    is_only = isinstance(statement, ast.Assign) and statement.targets == [path[-1]]
    return statement.value if is_only and isinstance(statement, ast.Assign) else None


def _copied_dict(node: ast.Call) -> ast.expr | None:
    """What a shallow copy is made of: `x.copy()`, `dict(x)`, `OrderedDict(x)`, `copy.copy(x)`."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "copy" and isinstance(node.func, ast.Attribute) and not node.args:
        return node.func.value
    if name in ("copy", "dict", "OrderedDict") and len(node.args) == 1 and not node.keywords:
        return node.args[0]
    return None


def _deepcopied(file: File, node: ast.expr, inner: ast.expr, applicability: Applicability, message: str) -> Fix | None:
    whole, part = file.offsets(span(file, node)), file.offsets(span(file, inner))
    assert whole is not None
    assert part is not None
    copy = reference(file, COPY)
    edit = file.replacement(*whole, f"{copy.expression}.deepcopy({file.text[slice(*part)]})")
    return Fix(applicability, message, (edit, *copy.edits))
