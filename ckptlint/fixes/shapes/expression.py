"""The text of one expression: what may be done with it without changing what it means.

model                    repeatable: reading it twice is reading it once
build(config)            not repeatable: it would run twice
first or second          `first or second.module` means something else: needs parentheses
"""

from __future__ import annotations

import ast

from ckptlint.fixes.quiet import expression_of, module_of

_REPEATABLE = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Load, ast.Tuple, ast.UnaryOp, ast.USub)


def parsed(text: str) -> ast.expr | None:
    """The tree of an expression, which may run over several lines; None when `text` is no expression."""
    return expression_of(f"({text}\n)")


def repeatable(text: str) -> bool:
    """Whether evaluating the expression twice in a row is as good as once: names, attributes, plain subscripts."""
    tree = parsed(text)
    return tree is not None and all(isinstance(node, _REPEATABLE) for node in ast.walk(tree))


def primary(text: str) -> str:
    """`text`, in parentheses where `.name` after it would bind to a part of it only."""
    bare, whole = expression_of(f"(\n{text}.name\n)"), expression_of(f"(\n({text}).name\n)")
    same = bare is not None and whole is not None and ast.dump(bare) == ast.dump(whole)
    return text if same else f"({text})"


def standalone(text: str) -> str:
    """`text` so that it can stand alone on the right of an assignment: over several lines only in parentheses."""
    module = module_of(f"_ = {text}") if "\n" in text else None
    one_statement = module is not None and len(module.body) == 1
    return text if "\n" not in text or one_statement else f"({text})"


def offset_in(text: str, row: int, byte_column: int) -> int:
    """The offset in characters of an ast position: rows from 1, columns in UTF-8 bytes from 0."""
    lines = text.split("\n")
    before = sum(len(line) + 1 for line in lines[: row - 1])
    return before + len(lines[row - 1].encode()[:byte_column].decode())


def part(text: str, node: ast.expr) -> tuple[int, int]:
    """Where `node`, of the tree of `text`, begins and ends in it, in characters."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return offset_in(text, node.lineno, node.col_offset), offset_in(text, node.end_lineno, node.end_col_offset)
