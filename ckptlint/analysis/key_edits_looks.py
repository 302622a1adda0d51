"""What a condition says about the beginning of a key.

    k.startswith("module.")                       a look at this key, for "module."
    k[:7] == "module."    k.split(".")[0] == ..   the same
    all(k.startswith("module.") for k in sd)      a look at every key
    next(iter(sd)).startswith("module.")          a look at the first key, which stands for the others
    "module" in k                                 no look: it can stand anywhere
    k in model_dict    len(k) > 7                 no look

Under `not`, `and` and `or` the looks are those that hold when the condition has the truth value asked for.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis.key_edits_forms import root_name, split_of, text_of
from ckptlint.analysis.key_edits_names import Names, called, inside, names_in
from ckptlint.facts import ir

_DEPTH = 6
_MATCHES = frozenset({"match", "fullmatch"})


class Look(msgspec.Struct, frozen=True):
    """Somebody has looked: at the variable `key`, or, when that is None, at the dict's first key or at all keys.

    `texts` are the beginnings that were found, None for one that is not known; `names` are the names that the condition
    speaks of: when one of them is given another value, the look is worth nothing.
    """

    key: str | None
    texts: tuple[str | None, ...]
    names: frozenset[str]


def looks_of(test: ir.Expr, truth: bool, names: Names, depth: int = 0) -> tuple[Look, ...]:
    """The looks that hold when `test` is `truth`."""
    if depth > _DEPTH:
        return ()
    if isinstance(test, ir.Unary) and test.op == "not":
        return looks_of(test.operand, not truth, names, depth + 1)
    if isinstance(test, ir.BoolOp):
        left = looks_of(test.left, truth, names, depth + 1)
        right = looks_of(test.right, truth, names, depth + 1)
        both_hold = (test.op == "and") == truth
        return left + right if both_hold or (left and right) else ()
    if isinstance(test, ir.NamedExpr):
        return looks_of(test.value, truth, names, depth + 1)
    if isinstance(test, ir.Name):
        meant = names.tests.get(test.name)
        return looks_of(meant, truth, names, depth + 1) if meant is not None else ()
    if isinstance(test, ir.Compare) and len(test.ops) == 1:
        return _of_comparison(test, truth, names)
    if isinstance(test, ir.Call) and truth:
        return _of_call(test, names, depth)
    return ()


def _of_call(test: ir.Call, names: Names, depth: int) -> tuple[Look, ...]:
    name = called(test)
    if name == "startswith" and isinstance(test.func, ir.Attribute) and test.args:
        return (_look(test.func.value, test.args[0].value, test, names),)
    if name in _MATCHES and test.args:
        subject = test.args[-1].value
        return (_look(subject, None, test, names),)
    if name in ("all", "any") and test.args and isinstance(test.args[0].value, ir.Comprehension):
        inner = looks_of(test.args[0].value.element, True, names, depth + 1)
        return tuple(Look(None, look.texts, _mentioned(test, names)) for look in inner)
    if name in ("bool", "len") and test.args:
        return looks_of(test.args[0].value, True, names, depth + 1)
    if any(word in name for word in ("prefix", "startswith", "starts_with")) and test.args:
        return (Look(None, (None,), _mentioned(test, names)),)  # a helper that looks, by its name
    return ()


def _of_comparison(test: ir.Compare, truth: bool, names: Names) -> tuple[Look, ...]:
    op, right = test.ops[0], test.comparators[0]
    if op not in (("==", "in", "is") if truth else ("!=", "not in", "is not")):
        return ()
    for side, other in ((test.left, right), (right, test.left)):
        front = _front(side, names)
        if front is not None:
            return (_look(front, other, test, names),)
        if isinstance(other, ir.Const) and other.value == 0:
            found = _found_in(side)
            if found is not None:
                return (_look(found[0], found[1], test, names),)
    return ()


def _found_in(node: ir.Expr) -> tuple[ir.Expr, ir.Expr] | None:
    """The key and the text of `k.find("module.")`."""
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute) and node.args:
        return (node.func.value, node.args[0].value) if node.func.name in ("find", "index") else None
    return None


def _front(node: ir.Expr, names: Names) -> ir.Expr | None:
    """The key of which `node` is the beginning: `k[:7]`, `k.split(".")[0]`, `first` of `first, _, rest = ...`."""
    if isinstance(node, ir.Name):
        meant = names.tests.get(node.name)
        found = None if meant is None else split_of(meant)
        if found is not None:
            return found[0]
        return _front(meant, names) if meant is not None and not isinstance(meant, ir.Name) else None
    if not isinstance(node, ir.Subscript):
        return None
    if isinstance(node.index, ir.Slice):
        lower = node.index.lower
        at_start = lower is None or (isinstance(lower, ir.Const) and lower.value == 0)
        return node.value if at_start and node.index.upper is not None else None
    if not isinstance(node.index, ir.Const) or node.index.value != 0 or isinstance(node.index.value, bool):
        return None
    value = node.value
    if isinstance(value, ir.Name):
        value = names.tests.get(value.name, value)
    found = split_of(value)
    return found[0] if found is not None else None


def _look(key: ir.Expr, text: ir.Expr | None, test: ir.Expr, names: Names) -> Look:
    items = text.items if isinstance(text, ir.Collection) else (text,)
    texts = tuple(text_of(item, names.texts) for item in items)
    first = _is_first_of_dict(key, names)
    return Look(None if first else root_name(key), texts, _mentioned(test, names))


def _is_first_of_dict(key: ir.Expr, names: Names) -> bool:
    """`next(iter(sd))`, `list(sd.keys())[0]`, or a name for it."""
    if isinstance(key, ir.Name):
        meant = names.tests.get(key.name)
        return meant is not None and not isinstance(meant, ir.Name) and _is_first_of_dict(meant, names)
    if isinstance(key, ir.Subscript) and not isinstance(key.index, ir.Slice):
        return True
    return isinstance(key, ir.Call) and called(key) == "next"


def _mentioned(test: ir.Expr, names: Names) -> frozenset[str]:
    bound = {
        name
        for node in inside(test)
        if isinstance(node, ir.Comprehension)
        for generator in node.generators
        for name in names_in(generator.target)
    }
    return frozenset(names_in(test) - bound)
