"""The forms in which people cut a prefix off a key, told from the expression alone.

    k.replace("module.", "")              replace: every occurrence, anywhere in the key
    k.replace("output", "head")           rename: the same, with something put in its place
    re.sub("module.", "", k)              replace
    k[7:]  k[len("module."):]             slice: whatever stands there
    ".".join(k.split(".")[1:])            split: the first name, whatever it is
    k.split(".", 1)[1]  k.partition(".")[2]  k.split("module.")[-1]
    k.lstrip("module.")                   strip: a set of letters, not a prefix

Whether `k` is the key of a state dict, and whether somebody looked at it before, is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ckptlint.facts import ir


class Form(msgspec.Struct, frozen=True):
    """What an expression does to the key `key`.

    `token` is the text that is looked for or stripped, None when it is not known; `length` how many characters a slice
    takes off; `once` tells that only the first occurrence is replaced; `named` that the source names the token.
    """

    kind: str
    key: ir.Expr
    token: str | None = None
    new: str = ""
    length: int | None = None
    once: bool = False
    named: bool = False
    label: str = ""


def form_of(node: ir.Expr, texts: Mapping[str, str]) -> Form | None:
    """The form of an expression, None when it is none; `texts` are the names of known strings."""
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute) and not _has_stars(node):
        return _of_call(node, node.func, texts)
    if isinstance(node, ir.Subscript):
        return _of_subscript(node, texts)
    return None


def text_of(node: ir.Expr | None, texts: Mapping[str, str]) -> str | None:
    """The string that an expression is, as far as the unit shows it."""
    if isinstance(node, ir.Const):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ir.Name):
        return texts.get(node.name)
    if isinstance(node, ir.BinOp) and node.op == "+":
        left, right = text_of(node.left, texts), text_of(node.right, texts)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ir.FString):
        parts = [text_of(part, texts) for part in node.parts]
        return "".join(part for part in parts if part is not None) if None not in parts else None
    return None


def root_name(node: ir.Expr) -> str | None:
    """The variable at the bottom of a chain of calls and subscripts: `k` of `k.replace("a", "b")[2:]`."""
    while not isinstance(node, ir.Name):
        below = _below(node)
        if below is None:
            return None
        node = below
    return node.name


def _below(node: ir.Expr) -> ir.Expr | None:
    """What a call or a subscript is made of."""
    if isinstance(node, ir.Subscript):
        return node.value
    if not isinstance(node, ir.Call):
        return None
    if _is_join(node) or (isinstance(node.func, ir.Name) and node.func.name == "str" and node.args):
        return node.args[0].value
    if not isinstance(node.func, ir.Attribute):
        return None
    return node.args[2].value if _is_regex(node.func, "sub") and len(node.args) >= 3 else node.func.value


def split_of(node: ir.Expr) -> tuple[ir.Expr, ir.Call] | None:
    """The key and the call of `k.split(...)` or `k.partition(...)`."""
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute) and node.func.name in ("split", "partition"):
        return node.func.value, node
    return None


def _of_call(node: ir.Call, func: ir.Attribute, texts: Mapping[str, str]) -> Form | None:
    args = [argument.value for argument in node.args]
    if func.name == "replace" and 2 <= len(args) <= 3:
        new = text_of(args[1], texts)
        if new is None:
            return None
        count = args[2] if len(args) == 3 else None
        once = isinstance(count, ir.Const) and count.value == 1
        kind = "rename" if new else "replace"
        return Form(kind, func.value, text_of(args[0], texts), new, once=once, label=_label(args[0]))
    if func.name in ("lstrip", "strip") and len(args) == 1:
        return Form("strip", func.value, text_of(args[0], texts), label=func.name)
    if _is_regex(func, "sub") and 3 <= len(args) <= 4:
        return _of_regex(args, texts)
    if _is_join(node):
        rest = args[0]
        if isinstance(rest, ir.Subscript) and _drops_first(rest.index):
            found = split_of(rest.value)
            if found is not None and text_of(found[1].args[0].value if found[1].args else None, texts) == ".":
                return Form("split", found[0])
            if isinstance(rest.value, ir.Name):
                return Form("split", rest.value, label="pieces")
    return None


def _of_regex(args: list[ir.Expr], texts: Mapping[str, str]) -> Form | None:
    pattern, new = text_of(args[0], texts), text_of(args[1], texts)
    if pattern is None or new != "" or pattern.startswith(("^", "\\A")):
        return None
    plain = pattern.replace("\\.", ".")
    if re.search(r"[\\^$*+?()\[\]{}|]", plain) is not None:
        return None
    count = args[3] if len(args) == 4 else None
    return Form("replace", args[2], plain, once=isinstance(count, ir.Const) and count.value == 1, label="re.sub")


def _of_subscript(node: ir.Subscript, texts: Mapping[str, str]) -> Form | None:
    found = split_of(node.value)
    if found is not None:
        return _of_piece(found[0], found[1], node.index, texts)
    if not isinstance(node.index, ir.Slice) or node.index.upper is not None or node.index.step is not None:
        return None
    lower = node.index.lower
    if isinstance(lower, ir.BinOp) and lower.op == "+":
        for side in (lower.left, lower.right):
            if (
                isinstance(side, ir.Call)
                and isinstance(side.func, ir.Attribute)
                and side.func.name in ("find", "index")
            ):
                found_at = text_of(side.args[0].value if side.args else None, texts)
                return Form("split", node.value, None if found_at == "." else found_at)
        inner = _length(lower.left, texts) or _length(lower.right, texts)
        return None if inner is None else Form("slice", node.value, label=inner[2])
    known = _length(lower, texts)
    if known is not None:
        return Form("slice", node.value, known[1], length=known[0], named=True, label=known[2])
    if isinstance(lower, ir.Const) and type(lower.value) is int and lower.value >= 2:
        return Form("slice", node.value, length=lower.value)
    return None


def _of_piece(key: ir.Expr, call: ir.Call, index: ir.Expr, texts: Mapping[str, str]) -> Form | None:
    """`k.split(".", 1)[1]`, `k.partition(".")[2]`, `k.split("module.")[1]`."""
    assert isinstance(call.func, ir.Attribute)
    if not call.args:
        return None
    separator = text_of(call.args[0].value, texts)
    at = _index(index)
    if separator is None or "." not in separator or at is None:
        return None
    token = None if separator == "." else separator
    if call.func.name == "partition":
        return Form("split", key, token) if at in (2, -1) else None
    if separator == "." and len(call.args) == 1:
        return None  # one name out of the middle
    return Form("split", key, token) if at in (1, -1) else None


def _length(node: ir.Expr | None, texts: Mapping[str, str]) -> tuple[int | None, str | None, str] | None:
    """How long, the text and a name for it, of `len("module.")` or `len(prefix)`."""
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Name) and node.func.name == "len" and len(node.args) == 1:
        of = node.args[0].value
        if not isinstance(of, ir.Const | ir.Name | ir.Attribute | ir.BinOp | ir.FString):
            return None
        text = text_of(of, texts)
        return (None if text is None else len(text)), text, _label(of)
    return None


def _index(node: ir.Expr) -> int | None:
    if isinstance(node, ir.Const) and type(node.value) is int:
        return node.value
    if isinstance(node, ir.Unary) and node.op == "-" and isinstance(node.operand, ir.Const):
        return -node.operand.value if type(node.operand.value) is int else None
    return None


def _drops_first(index: ir.Expr) -> bool:
    """`[1:]`, `[2:]`."""
    return (
        isinstance(index, ir.Slice)
        and index.upper is None
        and index.step is None
        and isinstance(index.lower, ir.Const)
        and type(index.lower.value) is int
        and index.lower.value >= 1
    )


def _is_join(node: ir.Call) -> bool:
    func = node.func
    return (
        isinstance(func, ir.Attribute)
        and func.name == "join"
        and isinstance(func.value, ir.Const)
        and func.value.value == "."
        and len(node.args) == 1
    )


def _is_regex(func: ir.Attribute, name: str) -> bool:
    return func.name == name and isinstance(func.value, ir.Name) and func.value.name == "re"


def _has_stars(node: ir.Call) -> bool:
    return any(argument.star or argument.keyword for argument in node.args)


def _label(node: ir.Expr) -> str:
    """The name by which the source calls a text."""
    if isinstance(node, ir.Name | ir.Attribute):
        return node.name
    if isinstance(node, ir.FString):
        return next((_label(part) for part in node.parts if isinstance(part, ir.Name | ir.Attribute)), "")
    if isinstance(node, ir.BinOp):
        return _label(node.left) or _label(node.right)
    return ""
