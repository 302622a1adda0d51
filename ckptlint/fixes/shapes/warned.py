"""A warning, as its place can say it.

def restore(model, path):
    ...
    warnings.warn(text, stacklevel=2)      names the line that called restore

warnings.warn(text)                        in a script nobody has called: it names this line
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import WARNINGS, reference


def warned(file: File, row: int, text: str) -> tuple[str, tuple[Edit, ...]]:
    """A call that warns at `row`, `text` being an expression, and the import that it needs."""
    found = reference(file, WARNINGS)
    functions = (node for node in ast.walk(file.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    is_called = any(node.lineno < row <= (node.end_lineno or 0) for node in functions)
    level = ", stacklevel=2" if is_called else ""
    return f"{found.expression}.warn({text}{level})", found.edits
