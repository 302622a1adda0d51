"""Where in a file an import or a function can be added, so that all code below can use it.

After the imports that stand together with the first import of torch; else after the first imports; else after the
docstring; else before the first statement. All functions of a file go to that one place, see
`ckptlint.fixes.edit.Addition`; imports stand where isort would look for them:

    import torch
    import torch.nn as nn
                                    <- from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
    from data import batches
                                    <- def unwrap_model(model): ...

A module of the standard library goes above all others, when none of its kind is there to stand beside. Imports inside
`if` and `try` are no place: what they guard may not run.
"""

from __future__ import annotations

import ast
import re
import sys

from ckptlint.findings import Edit, Position
from ckptlint.fixes.edit import insertion
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.names import fresh

_IMPORTED = re.compile(r"(import|from)\s+([\w.]+)")


def at_top_level(file: File, content: str) -> Edit:
    """Insert `content`: whole lines of imports, or a function that begins with "\\n\\ndef "."""
    path, rows, tree = file.path, file.rows, file.tree
    is_function = content.startswith("\n")
    last = _last_before(tree)
    if not is_function and (row := _row_for(tree, content)) is not None:
        return insertion(path, Position(row, 1), content + "\n" * _opens_a_section(tree, row, content))
    if last is None:
        if not tree.body:
            end = Position(len(rows), len(rows[-1]) + 1)
            return insertion(path, end, "\n" * bool(rows[-1]) + content.lstrip("\n"))
        first = tree.body[0]
        row = min([first.lineno, *(node.lineno for node in getattr(first, "decorator_list", []))])
        spaced = is_function or isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        return insertion(path, Position(row, 1), content.lstrip("\n") + ("\n\n" if spaced else "\n"))
    row = _last_row(last, tree) + 1
    before = "\n" if isinstance(last, ast.Expr) and not is_function else ""
    if row > len(rows):
        return insertion(path, Position(len(rows), len(rows[-1]) + 1), "\n" + before + content)
    after = "" if not rows[row - 1].strip() else "\n\n" if is_function else before
    return insertion(path, Position(row, 1), before + content + after)


def with_function(file: File, name: str, source: str) -> tuple[str, tuple[Edit, ...]]:
    """Have the function `source` (its text, with `{name}` for the name): its name in this file, the edits to add it.

    A function of the file's own that does the same is used again.
    """
    for node in file.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(name):
            same = ast.parse(source.replace("{name}", node.name)).body[0]
            if ast.dump(same) == ast.dump(node):
                return node.name, ()
    name = fresh(name, file.names)
    content = source.replace("{name}", name)
    return name, (at_top_level(file, f"\n\n{content}\n"),)


def _row_for(tree: ast.Module, line: str) -> int | None:
    """The row of a new import between those of the same package, or of the standard library, when they are sorted.

    `from` lines follow the plain imports of their paragraph.
    """
    imports = _run_with_torch(tree)
    found = _IMPORTED.match(line)
    if found is None:
        return None
    plain, wanted = found.group(1) == "import", found.group(2)
    near: int | None = None
    for number, statement in enumerate(imports):
        is_plain = isinstance(statement, ast.Import)
        name = statement.names[0].name if isinstance(statement, ast.Import) else statement.module or ""
        if not _same_section(name, wanted) or (isinstance(statement, ast.ImportFrom) and statement.level):
            continue
        if name <= wanted if is_plain is plain else is_plain:
            near = number
        elif near is None and plain and is_plain:
            return statement.lineno
    if near is None:
        return _row_at_the_top(tree, found.group(2)) if plain else None
    while not plain and near + 1 < len(imports) and _follows(imports[near], imports[near + 1]):
        near += 1
    # nothing may follow: then there may be no line end to insert after
    return _last_row(imports[near], tree) + 1 if imports[near] is not tree.body[-1] else None


def _row_at_the_top(tree: ast.Module, name: str) -> int | None:
    """The row of the first import, where a module of the standard library goes when no other is imported plainly."""
    first = _first_import(tree)
    if name not in sys.stdlib_module_names or first is None:
        return None
    before = [one.end_lineno or 0 for one in tree.body if one.lineno < first.lineno]
    return first.lineno if all(row < first.lineno for row in before) else None


def _first_import(tree: ast.Module) -> ast.Import | ast.ImportFrom | None:
    """The first import of the file that is not from the future."""
    imports = (one for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom))
    return next((one for one in imports if not (isinstance(one, ast.ImportFrom) and one.module == "__future__")), None)


def _opens_a_section(tree: ast.Module, row: int, line: str) -> bool:
    """Whether a new import stands above all others, which are of another kind: an empty line sets them apart."""
    first = _first_import(tree)
    found = _IMPORTED.match(line)
    if found is None or first is None or first.lineno != row:
        return False
    name = first.names[0].name if isinstance(first, ast.Import) else first.module or ""
    return found.group(2) in sys.stdlib_module_names and not _same_section(name, found.group(2))


def _follows(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether a plain import stands on the next row."""
    return isinstance(other, ast.Import) and other.lineno == (one.end_lineno or 0) + 1


def _same_section(one: str, other: str) -> bool:
    first, second = one.partition(".")[0], other.partition(".")[0]
    return first == second or {first, second} <= sys.stdlib_module_names


def _run_with_torch(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    """The imports up to the last of those that stand together with the first import of torch."""
    last = _last_before(tree)
    imports: list[ast.Import | ast.ImportFrom] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports.append(statement)
        if statement is last:
            break
    return imports


def _last_before(tree: ast.Module) -> ast.stmt | None:
    """The statement that additions follow: the last import of a run of imports, else the docstring."""
    runs: list[list[ast.stmt]] = [[]]
    docstring: ast.stmt | None = None
    for number, statement in enumerate(tree.body):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            runs[-1].append(statement)
        elif number == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            docstring = statement
        elif runs[-1]:
            runs.append([])
    with_torch = [run for run in runs if any(_is_torch(statement) for statement in run)]
    chosen = (with_torch or [run for run in runs if run] or [[]])[0]
    return chosen[-1] if chosen else docstring


def _last_row(last: ast.stmt, tree: ast.Module) -> int:
    """The last row of a statement and of those that begin on that row after a semicolon."""
    row = last.end_lineno or last.lineno
    for statement in tree.body:
        if last.lineno <= statement.lineno <= row:
            row = max(row, statement.end_lineno or row)
    return row


def _is_torch(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import):
        return any(alias.name.split(".")[0] == "torch" for alias in statement.names)
    return isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "torch"
