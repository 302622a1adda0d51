"""The names of a file: what binds them, and new ones that mean nothing there yet."""

from __future__ import annotations

import ast
import builtins
import keyword


def imported(statement: ast.AST) -> dict[str, str]:
    """The names that an import binds, each with the dotted name of its target; relative imports are left out."""
    if isinstance(statement, ast.Import):
        return {
            alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
            for alias in statement.names
        }
    if isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
        return {alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names}
    return {}


def bound(node: ast.AST) -> list[tuple[str, str]]:
    """The names that one node binds, with the dotted target for an import and "" for anything else."""
    if isinstance(node, ast.ImportFrom) and (node.level or not node.module):
        return [(alias.asname or alias.name, "") for alias in node.names]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return list(imported(node).items())
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [(node.id, "")]
    if isinstance(node, ast.arg):
        return [(node.arg, "")]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [(node.name, "")]
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        return [(node.name, "")]
    if isinstance(node, ast.MatchMapping) and node.rest:
        return [(node.rest, "")]
    return []


def fresh(wanted: str, taken: frozenset[str], *others: str) -> str:
    """`wanted`, or the first free one of `others`, or `wanted_2`, `wanted_3`, ...; no keyword and no builtin."""
    names = (*(wanted, *others), *(f"{wanted}_{number}" for number in range(2, len(taken) + 4)))
    return next(
        name for name in names if name not in taken and not keyword.iskeyword(name) and not hasattr(builtins, name)
    )
