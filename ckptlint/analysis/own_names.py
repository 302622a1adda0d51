"""Parts of a model that are called like the child of a wrapper: `self.module = nn.Linear(4, 4)`.

One `Key` stands for all keys of a state dict, and the rest behind its prefix is taken not to begin with a wrapper's
token. In a project with such a model that is not so, and what is done to single keys can do other things to the keys of
that part than to the rest:

    {k.removeprefix("module."): v for k, v in sd.items()}     features.weight -> features.weight
                                                              module.weight   -> weight

There, where code goes through the keys one by one, it is run for two keys, each under a condition on the name (see
`key_tests`): one for the names that do not begin so, and one, a *piece*, for those that do, whose prefix has the
beginning of the name in it. Pieces that were treated alike become one state dict again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ckptlint.analysis import key_tests, keys
from ckptlint.analysis.guards import ALWAYS, Guard, Literal
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.values import (
    TOKENS,
    Choice,
    Const,
    Content,
    Key,
    Opaque,
    TensorValue,
    TupleValue,
    Value,
    alternatives,
    choose,
)


def apart(machine: Machine, value: Value) -> Value:
    """A key, or a pair of a key and a tensor, as one alternative for each piece of the state dict."""
    if not machine.own_names:
        return value
    if isinstance(value, Choice):
        return spread(machine, value, lambda plain: apart(machine, plain))
    key = value.items[0] if isinstance(value, TupleValue) and value.items else value
    parts = pieces(machine, key.content) if isinstance(key, Key) else []
    if len(parts) < 2:
        return value
    cases: list[tuple[Guard, Value]] = []
    for guard, content in parts:
        one = keys.of_content(content)
        cases.append((guard, _with_key(value, one) if isinstance(value, TupleValue) else one))
    return choose(cases, "key")


def _with_key(pair: TupleValue, key: Key) -> TupleValue:
    tensors = (
        msgspec.structs.replace(one, content=key.content) if isinstance(one, TensorValue) else one
        for one in pair.items[1:]
    )
    return TupleValue((key, *tensors))


def pieces(machine: Machine, content: Content) -> list[tuple[Guard, Content]]:
    """The content, or what it consists of: each piece under the condition on the names in it."""
    if not machine.own_names or content.piece or content.prefix.startswith(keys.CUT):
        return [(ALWAYS, content)]
    if content.shape is not None:
        names = [name for name, child in content.shape.children if name in TOKENS and not child.tensor]
    else:
        names = sorted(machine.own_names) if content.file is not None else []
    beginnings = [Literal(key_tests.starts_with(name + "."), "truthy") for name in names]
    found: list[tuple[Guard, Content]] = [(frozenset(~one for one in beginnings), content)]
    for name, literal in zip(names, beginnings, strict=True):
        begins = frozenset(one if one == literal else ~one for one in beginnings)
        exact = None if content.exact is None else f"{content.exact}{name}."
        piece = msgspec.structs.replace(content, prefix=f"{content.prefix}{name}.", piece=f"{name}.", exact=exact)
        found.append((begins, piece))
    return found


def rejoined(cases: Sequence[tuple[Guard, Value]]) -> list[tuple[Guard, Value]]:
    """The cases with pieces that were treated like the rest put back to it."""
    left = list(cases)
    for case in cases:
        guard, one = case
        if not isinstance(one, Content) or not one.piece or not one.prefix.endswith(one.piece):
            continue
        literal = Literal(key_tests.starts_with(one.piece), "truthy")
        exact = None if one.exact is None else one.exact.removesuffix(one.piece)
        whole = msgspec.structs.replace(one, prefix=one.prefix.removesuffix(one.piece), piece="", exact=exact)
        rest: tuple[Guard, Value] = ((guard - {literal}) | {~literal}, whole)
        if literal in guard and rest in left:
            left.remove(case)
            left[left.index(rest)] = (guard - {literal}, whole)
    return left


def of_all(value: Value, wanted: bool) -> Value:
    """`any(...)` (wanted True) or `all(...)` (False) over what differs from piece to piece."""
    if not isinstance(value, Choice):
        return value
    groups: dict[Guard, dict[Value, None]] = {}
    for guard, plain in alternatives(value):
        groups.setdefault(key_tests.without_tests(guard), {})[plain] = None
    cases: list[tuple[Guard, Value]] = []
    for guard, found in groups.items():
        if any(isinstance(plain, Const) and bool(plain.value) is wanted for plain in found):
            cases.append((guard, Const(wanted)))
        else:
            cases.append((guard, next(iter(found)) if len(found) == 1 else Opaque("any key of all")))
    return choose(cases, "any")
