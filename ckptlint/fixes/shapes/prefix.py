"""Take a prefix off a key where it is a prefix, and nowhere else.

    key.replace("module.", "")    eats `features.module.` too      key.removeprefix("module.")
    key.lstrip("module.")         eats the letters of any name     the same
    key.strip("module.")          eats them at both ends           the same
    key[7:]                       eats keys that have no prefix    the same

Before Python 3.9 there is no `removeprefix`: `(key[len("module."):] if key.startswith("module.") else key)`.
"""

from __future__ import annotations

import ast

from ckptlint.fixes.shapes.expression import parsed, part, primary, repeatable


def anchored(expression: str, prefix: str, python: tuple[int, int], quote: str = '"') -> str | None:
    """What to write for `expression`, one of the forms above, for a project that runs on `python` and later.

    `prefix` is the text to take off, for a slice, and `quote` is put around it; the other forms bring their own. None
    when the expression is of another form, or when the key would have to be evaluated twice and cannot be.
    """
    tree = parsed(expression)
    inner = f"({expression}\n)"
    if tree is None or "#" in expression:
        return None
    found = _key_and_prefix(tree, inner, prefix, quote)
    if found is None:
        return None
    key, literal = found
    if python >= (3, 9):
        return f"{primary(key)}.removeprefix({literal})"
    if not repeatable(key) or not repeatable(literal):
        return None
    return f"({primary(key)}[len({literal}):] if {primary(key)}.startswith({literal}) else {key})"


def _key_and_prefix(tree: ast.expr, text: str, prefix: str, quote: str) -> tuple[str, str] | None:
    if isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Slice):
        literal = _sliced_off(tree.slice, text, prefix, quote)
        return (_text(text, tree.value), literal) if literal is not None else None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Attribute) or tree.keywords or not tree.args:
        return None
    strips = tree.func.attr in ("lstrip", "strip") and len(tree.args) == 1
    removes = tree.func.attr == "replace" and 2 <= len(tree.args) <= 3 and _is_empty(tree.args[1])
    if not (strips or removes) or isinstance(tree.args[0], ast.Starred):
        return None
    return _text(text, tree.func.value), _text(text, tree.args[0])


def _sliced_off(cut: ast.Slice, text: str, prefix: str, quote: str) -> str | None:
    """The prefix that `[7:]` or `[len(prefix):]` takes off; None when it is something else."""
    lower = cut.lower
    if cut.upper is not None or cut.step is not None:
        return None
    if isinstance(lower, ast.Constant) and lower.value == len(prefix):
        return _literal(prefix, quote)
    if (
        isinstance(lower, ast.Call)
        and isinstance(lower.func, ast.Name)
        and lower.func.id == "len"
        and len(lower.args) == 1
        and not isinstance(lower.args[0], ast.Starred)
    ):
        return _text(text, lower.args[0])
    return None


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _literal(prefix: str, quote: str) -> str:
    escaped = prefix.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def _text(text: str, node: ast.expr) -> str:
    begin, end = part(text, node)
    return text[begin:end]
