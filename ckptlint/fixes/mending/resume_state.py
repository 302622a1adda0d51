"""The fix of a resume that forgets a part of training: its state goes into the dict that is saved, and comes back.

It is offered where all of it stands in one file: the dict is written down as one, the model's weights come out of an
entry of a name (`checkpoint["model"]`), and the part can be named at both places:

    self.scheduler      in methods of one class, and made before the resume
    scheduler           in one function, and bound at its top level before the resume

It is never safe: a run that is resumed with it is another run than the one without.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.resume import Forgotten
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, scope_of, span, statement_of
from ckptlint.fixes.shapes.expression import part
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.resume import entry_added, loads_added, source_of

Path = list[ast.AST]


def fix(project: Project, parts: list[Forgotten]) -> Fix | None:
    """The fix of what one finding says is forgotten; None where a part of it cannot be mended."""
    first = parts[0]
    sites = {first.resumed.file, *(one.used.file for one in parts), *((first.entries.file,) if first.entries else ())}
    file = project.derived(Sources)[first.resumed.file]
    if first.saved or first.entries is None or len(sites) != 1 or file is None:
        return None
    if not all(one.has_state_dict and one.role != "ema" for one in parts):
        return None
    entries, resumed = _path(project, file, first.entries), _path(project, file, first.resumed)
    if not entries or not resumed or not isinstance(entries[-1], ast.Dict) or not isinstance(resumed[-1], ast.Call):
        return None
    source = source_of(file, resumed[-1])
    statement = statement_of(resumed)
    if source is None or not isinstance(statement, ast.Expr):
        return None
    named: list[tuple[str, str]] = []
    for one in parts:
        text = _name_of(file, _path(project, file, one.used), one)
        if text is None or not _known_at(file, text, entries, resumed):
            return None
        named.append((one.role, text))
    edits: list[Edit | None] = [entry_added(file, entries[-1], role, f"{text}.state_dict()") for role, text in named]
    edits.append(loads_added(file, span(file, statement), source, named))
    made = tuple(edit for edit in edits if edit is not None)
    if len(made) != len(edits) or len(named) > 1:
        return None  # two entries at one place are two edits that exclude each other
    return Fix(Applicability.UNSAFE, f"save the {named[0][0]}'s state, and load it where training is resumed", made)


def _path(project: Project, file: File, site: Site) -> Path | None:
    return path_to(file, project.place(site))


def _name_of(file: File, used: Path | None, one: Forgotten) -> str | None:
    """`optimizer` of `optimizer.step()`, and of `scaler.step(optimizer)`: a name, or an attribute of `self`."""
    call = used[-1] if used else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    owner: ast.expr = call.func.value
    if one.by_scaler:
        if not call.args:
            return None
        owner = call.args[0]
    is_own = isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.value.id == "self"
    if not is_own and not isinstance(owner, ast.Name):
        return None
    start, end = part(file.text, owner)
    return file.text[start:end]


def _known_at(file: File, text: str, entries: Path, resumed: Path) -> bool:
    """Whether the name means the part both where the dict is made and where training is resumed."""
    if text.startswith("self."):
        return _is_made_before(text, entries, resumed)
    scope = scope_of(resumed)
    if scope is not scope_of(entries) or not isinstance(scope, (ast.FunctionDef, ast.Module)):
        return False
    bound = [node for node in scope.body if isinstance(node, ast.Assign) and _binds(node, text)]
    again = [node for node in ast.walk(scope) if isinstance(node, ast.Assign) and _binds(node, text)]
    line = statement_of(resumed).lineno
    return len(bound) == len(again) == 1 and bound[0].lineno < line


def _is_made_before(text: str, entries: Path, resumed: Path) -> bool:
    """`self.scheduler`: set in `__init__`, before anything there can lead to the resume."""
    around = [
        next((node for node in reversed(path) if isinstance(node, ast.ClassDef)), None) for path in (entries, resumed)
    ]
    cls = around[0]
    if cls is None or cls is not around[1]:
        return False
    init = next((node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    method = scope_of(resumed)
    if init is None or not isinstance(method, ast.FunctionDef):
        return False
    made = [node.lineno for node in init.body if isinstance(node, ast.Assign) and _binds(node, text)]
    calls = [node.lineno for node in ast.walk(init) if isinstance(node, ast.Call) and _is_own_call(node)]
    own = [statement_of(resumed).lineno] if method is init else []
    return len(made) == 1 and all(made[0] < line for line in [*calls, *own])


def _class_around(path: Path) -> ast.ClassDef | None:
    return next((node for node in reversed(path) if isinstance(node, ast.ClassDef)), None)


def _is_own_call(node: ast.Call) -> bool:
    func = node.func
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self"


def _binds(node: ast.Assign, text: str) -> bool:
    return any(ast.unparse(target) == text for target in node.targets)
