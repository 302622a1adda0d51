"""Finding a node of a file's tree by its place, with what stands around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from ckptlint.findings import Place, Position, Span
from ckptlint.fixes.shapes.file import File

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While)


def position(file: File, row: int, byte_column: int) -> Position:
    """The position of an ast place."""
    return Position(row, len(file.rows[row - 1].encode()[:byte_column].decode()) + 1)


def span(file: File, node: ast.expr | ast.stmt) -> Span:
    """Where a node is."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return Span(position(file, node.lineno, node.col_offset), position(file, node.end_lineno, node.end_col_offset))


def path_to(file: File, place: Place) -> list[ast.AST] | None:
    """The nodes from the module down to the expression that lies at `place`; None when there is none."""
    nodes: list[ast.AST] = [file.tree]
    wanted = place.span
    while True:
        below = _child_with(file, nodes[-1], wanted)
        if below is None:
            break
        nodes.append(below)
    while len(nodes) > 1:
        last = nodes[-1]
        if isinstance(last, ast.expr) and span(file, last) == wanted:
            return nodes
        nodes.pop()
    return None


def _child_with(file: File, node: ast.AST, wanted: Span) -> ast.AST | None:
    for child in _placed(node):
        whole = span(file, child)
        decorators = getattr(child, "decorator_list", ())
        if decorators:  # they stand above what ast calls the beginning
            whole = Span(min(span(file, one).start for one in decorators), whole.end)
        if whole.start <= wanted.start and wanted.end <= whole.end:
            return child
    return None


def _placed(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """The nearest nodes below one that have a place."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr | ast.stmt):
            yield child
        else:
            yield from _placed(child)


def statement_of(path: list[ast.AST]) -> ast.stmt:
    """The innermost statement of a path."""
    return next(node for node in reversed(path) if isinstance(node, ast.stmt))


def scope_of(path: list[ast.AST]) -> ast.AST:
    """The function around the end of a path, else the module."""
    return next((node for node in reversed(path[:-1]) if isinstance(node, FUNCTIONS)), path[0])


def conditions(path: list[ast.AST]) -> list[tuple[ast.AST, str]]:
    """The branches between the function around the end of a path and the end, outermost first: (node, which branch).

    `if __name__ == "__main__":` is no condition.
    """
    inner = path[path.index(scope_of(path)) :]
    found: list[tuple[ast.AST, str]] = []
    for node, child in pairwise(inner):
        if isinstance(node, ast.If | ast.IfExp | ast.Try | ast.Match | ast.While) and not _is_main(node):
            found.append((node, _branch(node, child)))
        elif isinstance(node, ast.BoolOp) and child is not node.values[0]:
            found.append((node, "values"))
    return [(node, branch) for node, branch in found if branch != "test"]


def _branch(node: ast.AST, child: ast.AST) -> str:
    """The field of `node` that holds `child`."""
    for name, value in ast.iter_fields(node):
        if value is child or (isinstance(value, list) and child in value):
            return name
    return ""


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))
