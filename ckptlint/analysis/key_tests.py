"""Tests of single keys: `if not k.startswith("criterion.")` is a condition on keys, not on the run.

One `Key` stands for all keys of a state dict, so a test that some of them pass is a literal of the guard, as any other
test would be. It speaks of the *name*, the key without the prefix that all keys share. Where the state dict is used as
a whole, such literals are taken out of the guard, and say instead which part of the module's tree of names is there:

    {k: v for k, v in model.state_dict().items() if not k.startswith("criterion.")}
    ->  the keys of the model   if not name starts with 'criterion.'      ->  the model's tree without `criterion`
        nothing                 if name starts with 'criterion.'          ->  (left out)
"""

from __future__ import annotations

import ast

import msgspec

from ckptlint.analysis.guards import Guard, Literal
from ckptlint.analysis.values import Content, KeyTest, Shape

_STARTS = "key name starts with "
_HAS = "key name has "


def starts_with(name: str) -> str:
    """The symbol of: the name begins with this."""
    return _STARTS + repr(name)


def has(text: str) -> str:
    """The symbol of: this stands somewhere in the name."""
    return _HAS + repr(text)


def tests_in(guard: Guard) -> tuple[KeyTest, ...]:
    """What a guard asks of single keys."""
    return tuple(test for literal in sorted(guard) if (test := _test(literal)) is not None)


def without_tests(guard: Guard) -> Guard:
    """The guard as a condition on the run alone."""
    return frozenset(literal for literal in guard if _test(literal) is None)


def _test(literal: Literal) -> KeyTest | None:
    for start, kind in ((_STARTS, "starts"), (_HAS, "has")):
        if literal.symbol.startswith(start) and literal.op == "truthy" and literal.symbol.endswith(("'", '"')):
            return KeyTest(kind, str(ast.literal_eval(literal.symbol[len(start) :])), not literal.negated)
    return None


def passed(content: Content, tests: tuple[KeyTest, ...]) -> Content:
    """The content of which only the keys that pass are left."""
    if not tests:
        return content
    shape = None if content.shape is None else kept(content.shape, tests)
    together = tuple(dict.fromkeys((*content.tests, *tests)))
    return msgspec.structs.replace(content, shape=shape, tests=together)


def kept(shape: Shape, tests: tuple[KeyTest, ...]) -> Shape:
    """The tree with the names that pass all tests."""
    for test in tests:
        shape = msgspec.structs.replace(shape, children=_children(shape, "", test))
    return shape


def _children(shape: Shape, path: str, test: KeyTest) -> tuple[tuple[str, Shape], ...]:
    left: list[tuple[str, Shape]] = []
    for name, child in shape.children:
        if child.tensor:
            if holds(test, path + name) is test.wanted:
                left.append((name, child))
            continue
        here = f"{path}{name}.{child.prefix}"
        answer = holds(test, here)
        if answer is test.wanted:
            left.append((name, child))
        elif answer is None:
            below = _children(child, here, test)
            if below or not child.children:
                left.append((name, msgspec.structs.replace(child, children=below)))
    return tuple(left)


def holds(test: KeyTest, name: str) -> bool | None:
    """Whether the test holds for a name, or for all names that begin so; None when it may for some of those."""
    if test.kind == "starts":
        if name.startswith(test.text):
            return True
        return None if name.endswith(".") and test.text.startswith(name) else False
    if test.text in name:
        return True
    return None if name.endswith(".") else False
