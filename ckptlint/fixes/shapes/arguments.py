"""Move an argument from one call to another that stands inside it, or around it.

f(g(a), key=b)     f(g(a, key=b))
f(g(a, key=b))     f(g(a), key=b)
f(g(a), b)         f(g(a, key=b))
"""

from __future__ import annotations

import ast

from ckptlint.findings import Edit
from ckptlint.fixes.shapes.expression import part
from ckptlint.fixes.shapes.file import File


def moved_into(
    file: File, call: ast.Call, target: ast.Call, keyword: str, positional: int | None = None
) -> tuple[Edit, ...] | None:
    """The edits that take the argument `keyword` (or the one at `positional`) out of `call` and give it to `target`.

    None where the target has one of that name, or a comment stands between.
    """
    nodes: list[ast.expr] = [*call.args, *(one.value for one in call.keywords)]
    value = _value(call, keyword, positional)
    if value is None or value not in nodes or any(one.arg in (keyword, None) for one in target.keywords):
        return None
    place = nodes.index(value)
    if place == 0:
        return None
    begin, (_, end) = part(file.text, nodes[place - 1])[1], part(file.text, value)
    gone = file.text[begin:end]
    if "#" in gone or any(isinstance(one, ast.Starred) for one in target.args):
        return None
    begin, gone = _behind_parentheses(begin, gone)
    opening, closing = part(file.text, target.func)[1] + 1, part(file.text, target)[1] - 1
    inside = file.text[opening:closing].rstrip()
    if "#" in inside:
        return None
    at = opening + len(inside)
    new = f"{keyword}={file.text[slice(*part(file.text, value))]}"
    content = f" {new}," if inside.endswith(",") else f", {new}" if inside else new
    return (file.replacement(begin, end, ""), file.replacement(at, at, content))


def _behind_parentheses(begin: int, gone: str) -> tuple[int, str]:
    """The end of an argument lies before the parentheses around it: `f((a), b)`."""
    comma = gone.index(",")
    return begin + comma, gone[comma:]


def _value(call: ast.Call, keyword: str, positional: int | None) -> ast.expr | None:
    if positional is not None:
        return call.args[positional] if positional < len(call.args) else None
    return next((one.value for one in call.keywords if one.arg == keyword), None)


def left_out(file: File, call: ast.Call, keyword: str) -> Edit | None:
    """Take the argument `keyword` out of the call; None where it is the first, or a comment stands before it."""
    nodes: list[ast.expr] = [*call.args, *(one.value for one in call.keywords)]
    value = _value(call, keyword, None)
    if value is None or nodes.index(value) == 0:
        return None
    begin, (_, end) = part(file.text, nodes[nodes.index(value) - 1])[1], part(file.text, value)
    gone = file.text[begin:end]
    if "#" in gone:
        return None
    begin, _ = _behind_parentheses(begin, gone)
    return file.replacement(begin, end, "")
