"""Python's own parser, without its warnings about the user's code ("invalid escape sequence") and without a raise."""

from __future__ import annotations

import ast
import warnings


def module_of(text: str) -> ast.Module | None:
    """The tree of statements; None when this Python cannot read them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def expression_of(text: str) -> ast.expr | None:
    """The tree of an expression; None when `text` is none."""
    module = module_of(text)
    if module is None or len(module.body) != 1 or not isinstance(module.body[0], ast.Expr):
        return None
    return module.body[0].value
