"""The fix of CKPT103: the state dict is saved in place of the model.

    torch.save(model, path)                      torch.save(model.state_dict(), path)
    state = {"epoch": epoch, "model": model}     state = {"epoch": epoch, "model": model.state_dict()}

None where a load of the project can meet the file: what takes a model out of it would get a dict.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.evidence import path_evidence
from ckptlint.analysis.pickled import WholeModule
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Edit, Fix, Span
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.expression import primary
from ckptlint.fixes.shapes.file import File


def fix(project: Project, whole: WholeModule) -> Fix | None:
    """Save the state dict."""
    paths = [save.path for save in project.events.saves if save.site == whole.save]
    if any(path_evidence(load.path, path) is not None for load in project.events.loads for path in paths):
        return None
    edits = [edit for site in whole.sites if (edit := _edit(project, site)) is not None]
    if len(edits) != len(whole.sites):
        return None
    return Fix(Applicability.UNSAFE, "save the state dict", tuple(edits))


def _edit(project: Project, site: Site) -> Edit | None:
    """`.state_dict()` behind the model; the place is the save, an entry of a dict, or the target of an assignment."""
    file = project.derived(Sources)[site.file]
    if file is None:
        return None
    wanted = project.place(site).span
    model = _entry(file, wanted) or _model(path_to(file, project.place(site)))
    if model is None:
        return None
    offsets = file.offsets(span(file, model))
    assert offsets is not None
    return file.replacement(*offsets, f"{primary(file.text[slice(*offsets)])}.state_dict()")


def _entry(file: File, wanted: Span) -> ast.expr | None:
    """The value of the entry of a dict display that lies at `wanted`, key and all."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and Span(span(file, key).start, span(file, value).end) == wanted:
                    return value
    return None


def _model(path: list[ast.AST] | None) -> ast.expr | None:
    """The first argument of a save, or what is assigned to an entry."""
    if path is None:
        return None
    node = path[-1]
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Starred):
        return node.args[0]
    statement = path[-2] if len(path) > 1 else None
    return statement.value if isinstance(statement, ast.Assign) and statement.targets == [node] else None
