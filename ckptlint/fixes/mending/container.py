"""The fix of CKPT202: a container that registers what is in it.

    self.branches = [nn.Linear(8, 8) for _ in range(4)]
    self.branches = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])

ModuleList and ModuleDict can do most of what a list and a dict can. The fix is offered where nothing but modules is in
the container and nobody asks it for what they lack: `index`, `sort`, `get`. It is unsafe: old files lack the new keys.
"""

from __future__ import annotations

import ast
import re

from ckptlint.analysis.solve import Project
from ckptlint.analysis.unregistered import Hidden
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import LOOPS, path_to, scope_of, span, statement_of
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import Wanted, reference
from ckptlint.source import UnreadableSource

_CONTAINERS = {
    "list": Wanted("torch.nn", "ModuleList", ("torch.nn.ModuleList", "torch.nn.modules.ModuleList")),
    "tuple": Wanted("torch.nn", "ModuleList", ("torch.nn.ModuleList", "torch.nn.modules.ModuleList")),
    "dict": Wanted("torch.nn", "ModuleDict", ("torch.nn.ModuleDict", "torch.nn.modules.ModuleDict")),
}

#: What the plain containers can do and those of torch cannot.
_LACKING = {
    "list": ("copy", "count", "index", "remove", "reverse", "sort"),
    "tuple": ("count", "index"),
    "dict": ("copy", "get", "popitem", "setdefault"),
}


def fix(project: Project, hidden: Hidden) -> Fix | None:
    """The fix for one assignment, None where it would not do."""
    if not hidden.only_modules or hidden.nested:
        return None
    file = project.derived(Sources)[hidden.site.file]
    path = path_to(file, project.place(hidden.site)) if file is not None else None
    statement = statement_of(path) if path is not None else None
    if file is None or path is None or not isinstance(statement, ast.Assign | ast.AnnAssign):
        return None
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    value = statement.value
    if value is None or targets != path[-1:] or not _can_be_wrapped(path, statement, value, hidden.container):
        return None
    if _comes_too_early(path, statement) or _asks_for_more(project, hidden):
        return None
    found = file.offsets(span(file, value))
    assert found is not None
    wanted = reference(file, _CONTAINERS[hidden.container])
    wrapped: tuple[Edit, ...]
    if isinstance(value, ast.List) and not value.elts:
        wrapped = (file.replacement(*found, f"{wanted.expression}()"),)
    else:
        before, after = _parentheses(file, value, found)
        wrapped = (
            file.replacement(found[0], found[0], f"{wanted.expression}({before}"),
            file.replacement(found[1], found[1], f"{after})"),
        )
    message = (
        f"register the modules by {wanted.expression}; files that were written before lack their keys, so loading "
        "those needs strict=False"
    )
    return Fix(Applicability.UNSAFE, message, (*wrapped, *wanted.edits))


def _parentheses(file: File, value: ast.expr, found: tuple[int, int]) -> tuple[str, str]:
    """A tuple may stand without them."""
    bare = isinstance(value, ast.Tuple) and not file.text[slice(*found)].startswith("(")
    return ("(", ")") if bare else ("", "")


def _can_be_wrapped(path: list[ast.AST], statement: ast.stmt, value: ast.expr, container: str) -> bool:
    if isinstance(value, ast.Name):
        return container != "dict" and _is_given_up(path, statement, value.id)
    if container == "list":
        return _is_new_list(value)
    if container == "tuple":
        return isinstance(value, ast.Tuple)
    return isinstance(value, ast.Dict) and bool(value.keys) and all(_is_module_name(key) for key in value.keys)


def _is_new_list(value: ast.expr) -> bool:
    """Whether a list is made there, of which nobody else knows."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return _is_new_list(value.left) and _is_new_list(value.right)
    return isinstance(value, ast.List | ast.ListComp)


def _is_module_name(key: ast.expr | None) -> bool:
    """Whether ModuleDict takes the key: a text without dots that is no attribute of it."""
    text = key.value if isinstance(key, ast.Constant) else None
    return isinstance(text, str) and text != "" and "." not in text and text not in ("type", "train", "forward")


def _is_given_up(path: list[ast.AST], statement: ast.stmt, name: str) -> bool:
    """Whether nobody changes the list under its local name after it has been assigned."""
    if any(isinstance(node, LOOPS) for node in path):
        return False
    scope = scope_of(path)
    return not any(
        isinstance(node, ast.Name) and node.id == name and node.lineno > (statement.end_lineno or 0)
        for node in ast.walk(scope)
    )


def _comes_too_early(path: list[ast.AST], statement: ast.stmt) -> bool:
    """Whether `__init__` of the base class is yet to come: until then a module takes no children."""
    function = scope_of(path)
    if not isinstance(function, ast.FunctionDef) or function.name != "__init__":
        return not isinstance(function, ast.FunctionDef)
    return any(
        isinstance(node, ast.Attribute) and node.attr == "__init__" and node.lineno > statement.lineno
        for node in ast.walk(function)
    )


def _asks_for_more(project: Project, hidden: Hidden) -> bool:
    """Whether something of the project does with the container what those of torch cannot do."""
    name = re.escape(hidden.attribute)
    methods = "|".join(_LACKING[hidden.container])
    asked = re.compile(
        rf"\.{name}\.(?:{methods})\(|\.{name}\s*\+(?!=)|\+\s*[\w.]*\.{name}\b|\.{name}\s*(?:==|!=)|del\s+[\w.]*\.{name}\[".encode()
    )
    for path in sorted(project.store.files):
        try:
            if asked.search(project.store.data(path)):
                return True
        except UnreadableSource:
            continue
    return False
