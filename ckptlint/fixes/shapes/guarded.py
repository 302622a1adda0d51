"""A statement, or what stands under a condition, kept to the first of several processes.

torch.save(state, path)             if torch.distributed.get_rank() == 0:
                                        torch.save(state, path)

if args.local_rank == 0:            if args.local_rank == 0 and torch.distributed.get_rank() == 0:

Where the process may be alone, there is no group to ask: `not torch.distributed.is_initialized() or ...`.
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit, Span
from ckptlint.fixes.shapes.expression import parsed
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import Wanted, reference

DISTRIBUTED = Wanted("torch", "distributed", ("torch.distributed",))

_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def first_process(file: File, *, may_be_alone: bool) -> tuple[str, tuple[Edit, ...]]:
    """The condition that holds in the first process alone, and the edits that make it mean that."""
    named = reference(file, DISTRIBUTED)
    rank = f"{named.expression}.get_rank() == 0"
    return (f"not {named.expression}.is_initialized() or {rank}" if may_be_alone else rank), named.edits


def statement_under(file: File, statement: Span, condition: str) -> tuple[Edit, ...] | None:
    """Put a simple statement under a condition; None where others follow that would miss what it does.

    Such are statements that share its line, and those that speak of the file that it writes.
    """
    node = _simple_statement(file, statement)
    offsets = file.offsets(statement)
    if node is None or offsets is None or _path_is_used_later(file.tree, node):
        return None
    lead = file.rows[statement.start.row - 1][: statement.start.column - 1]
    rest = file.rows[statement.end.row - 1][statement.end.column - 1 :].strip()
    inside = file.text[slice(*offsets)]
    if lead.strip() or (rest and not rest.startswith("#")) or _has_long_text(node):
        return None
    step = "\t" if lead.endswith("\t") else "    "
    indented = inside.replace("\n", f"\n{step}")
    return (file.replacement(*offsets, f"if {condition}:\n{lead}{step}{indented}"),)


def test_narrowed(file: File, test: Span, condition: str) -> tuple[Edit, ...] | None:
    """Have an `if` ask for the condition too; None where its body leaves, as that asks for the opposite."""
    offsets = file.offsets(test)
    found = next((node for node in ast.walk(file.tree) if isinstance(node, ast.If) and _lies_at(node.test, test)), None)
    if found is None or offsets is None or isinstance(found.body[-1], _JUMPS):
        return None
    text = file.text[slice(*offsets)]
    tree = parsed(text)
    loose = isinstance(tree, (ast.IfExp, ast.Lambda, ast.NamedExpr)) or (
        isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.Or)
    )
    narrow = f"({condition})" if " or " in condition else condition
    start, end = offsets
    if "\n" in text and not loose:
        return None  # may lean on parentheses of its own
    return (file.replacement(start, end, f"({text}) and {narrow}" if loose else f"{text} and {narrow}"),)


def _lies_at(node: ast.expr, span: Span) -> bool:
    return (
        node.lineno == span.start.row and node.end_lineno == span.end.row and node.col_offset >= span.start.column - 1
    )


def _simple_statement(file: File, statement: Span) -> ast.Expr | None:
    return next(
        (
            node
            for node in ast.walk(file.tree)
            if isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and (node.lineno, node.end_lineno) == (statement.start.row, statement.end.row)
        ),
        None,
    )


def _has_long_text(node: ast.AST) -> bool:
    """Whether a string runs over several lines: its lines must not be moved."""
    return any(
        isinstance(one, (ast.Constant, ast.JoinedStr)) and one.lineno != one.end_lineno
        for one in ast.walk(node)
        if not isinstance(one, ast.Constant) or isinstance(one.value, (str, bytes))
    )


def _path_is_used_later(tree: ast.Module, statement: ast.Expr) -> bool:
    """Whether what comes after the save in its function speaks of its path: `shutil.copyfile(path, best)`."""
    assert isinstance(statement.value, ast.Call)
    call = statement.value
    path = call.args[1] if len(call.args) > 1 else next((one.value for one in call.keywords if one.arg == "f"), None)
    if path is None or isinstance(path, ast.Starred):
        return True
    shown = ast.dump(path)
    function = _innermost_function(tree, statement)
    return any(
        ast.dump(node) == shown and node.lineno > (statement.end_lineno or 0)
        for node in ast.walk(function)
        if isinstance(node, type(path)) and isinstance(node, ast.expr)
    )


def _innermost_function(tree: ast.Module, statement: ast.stmt) -> ast.AST:
    found: ast.AST = tree
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.lineno <= statement.lineno and (statement.end_lineno or 0) <= (node.end_lineno or 0):
            found = node
    return found
