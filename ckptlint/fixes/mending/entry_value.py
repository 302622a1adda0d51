"""The expression of what is saved, at the place that the analysis gives it.

{"epoch": epoch, "model": model}      the entry, key and all: `model`
state["model"] = model                the target of the assignment: `model`
torch.save(model, path)               the save: its first argument
dict(model=model)                     the call: the argument of that name is not told; nothing
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Span
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.file import File


def value_at(project: Project, site: Site) -> tuple[File, ast.expr] | None:
    """The file and the expression; None where no one expression stands for it."""
    file = project.derived(Sources)[site.file]
    if file is None:
        return None
    place = project.place(site)
    found = _entry(file, place.span) or _argument(path_to(file, place))
    return None if found is None else (file, found)


def _entry(file: File, wanted: Span) -> ast.expr | None:
    """The value of the entry of a dict display that lies at `wanted`, key and all."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and Span(span(file, key).start, span(file, value).end) == wanted:
                    return value
    return None


def _argument(path: list[ast.AST] | None) -> ast.expr | None:
    """The first argument of a save, or what is assigned to an entry."""
    if path is None:
        return None
    node = path[-1]
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Starred):
        return node.args[0]
    statement = path[-2] if len(path) > 1 else None
    return statement.value if isinstance(statement, ast.Assign) and statement.targets == [node] else None
