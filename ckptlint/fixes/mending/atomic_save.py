"""The fix of CKPT109: the file is written beside the old one and put in its place when it is complete.

torch.save(state, path)                       torch.save(state, f"{path}.tmp")
                                              os.replace(f"{path}.tmp", path)

torch.save(state, os.path.join(run, "a"))     checkpoint_path = os.path.join(run, "a")
                                              torch.save(state, f"{checkpoint_path}.tmp")
                                              os.replace(f"{checkpoint_path}.tmp", checkpoint_path)
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, scope_of, span, statement_of
from ckptlint.fixes.shapes.expression import standalone
from ckptlint.fixes.shapes.imports import Wanted, reference
from ckptlint.fixes.shapes.names import fresh
from ckptlint.fixes.shapes.statements import after, before

_OS = Wanted("os")


def fix(project: Project, site: Site) -> Fix | None:
    """Write beside and rename; None unless the save is a statement of its own that is given a path."""
    file = project.derived(Sources)[site.file]
    path = path_to(file, project.place(site)) if file is not None else None
    call = path[-1] if path is not None else None
    if file is None or path is None or not isinstance(call, ast.Call):
        return None
    statement = statement_of(path)
    target = next((one.value for one in call.keywords if one.arg == "f"), call.args[1] if len(call.args) > 1 else None)
    if target is None or not isinstance(statement, ast.Expr) or statement.value is not call:
        return None
    offsets = file.offsets(span(file, target))
    if offsets is None or (isinstance(target, ast.Name) and target.id in _opened(scope_of(path))):
        return None
    text = file.text[slice(*offsets)]
    os = reference(file, _OS)
    edits = list(os.edits)
    where = span(file, statement)
    if isinstance(target, ast.Constant) and isinstance(target.value, str):
        new, name = f'{text} + ".tmp"', text
    elif isinstance(target, ast.Name):
        new, name = f'f"{{{text}}}.tmp"', text
    else:
        name = fresh("checkpoint_path", file.names_around(where.start.row))
        new = f'f"{{{name}}}.tmp"'
        put = before(file, where, [f"{name} = {standalone(text)}"])
        if put is None:
            return None
        edits.append(put)
    edits += [file.replacement(*offsets, new), after(file, where, [f"{os.expression}.replace({new}, {name})"])]
    return Fix(Applicability.UNSAFE, "write beside the file, then put it in its place", tuple(edits))


def _opened(scope: ast.AST) -> set[str]:
    """The names of open files: `with open(path, "wb") as file`."""
    return {
        item.optional_vars.id
        for node in ast.walk(scope)
        if isinstance(node, ast.With | ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
    }
