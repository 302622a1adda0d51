"""Where in a file an import or a function can be added, so that all code below can use it.

After the imports that stand together with the first import of torch; else after the first imports; else after the
docstring; else before the first statement. All additions of a file go to that one place, see
`ckptlint.fixes.edit.Addition`. Imports inside `if` and `try` are no place: what they guard may not run.
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit, Position
from ckptlint.fixes.edit import insertion
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.names import fresh


def at_top_level(file: File, content: str) -> Edit:
    """Insert `content`: whole lines of imports, or a function that begins with "\\n\\ndef "."""
    path, rows, tree = file.path, file.rows, file.tree
    is_function = content.startswith("\n")
    last = _last_before(tree)
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
