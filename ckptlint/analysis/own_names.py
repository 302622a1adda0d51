"""Parts of a model that are called like the child of a wrapper: `self.module = nn.Linear(4, 4)`.

One `Key` stands for all keys of a state dict, and the rest behind its prefix is taken not to begin with a wrapper's
token. In a project with such a model that is not so, and what is done to single keys can do other things to the keys of
that part than to the rest:

    {k.removeprefix("module."): v for k, v in sd.items()}     features.weight -> features.weight
                                                              module.weight   -> weight

So it is with what a wrapper keeps beside its child, `n_averaged` of AveragedModel, which has no `module.` in front.

There, where code goes through the keys one by one, it is run for two keys, each under a condition on the name (see
`key_tests`): one for the names that do not begin so, and one, a *piece*, for those that do, whose prefix has the
beginning of the name in it. Pieces that were treated alike become one state dict again, and a
wrapper's own keys, whatever was made of them, are put beside it (`Content.extra`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    KeyTest,
    Opaque,
    TensorValue,
    TupleValue,
    Value,
    alternatives,
    choose,
)

#: The prefixes of files behind which such names, and a wrapper's own keys, are followed: each piece is one more
#: alternative of all that is made of the file, and behind other prefixes hardly anything is done to them.
FOLLOWED = ("", "module.")


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
        followed = content.file is not None and content.prefix in FOLLOWED
        names = sorted(machine.own_names.intersection(TOKENS)) if followed else []
    beginnings = {f"{name}.": Literal(key_tests.starts_with(f"{name}."), "truthy") for name in names}
    beginnings |= {name: Literal(key_tests.starts_with(name), "truthy") for name in content.extra}
    rest = msgspec.structs.replace(content, extra=()) if content.extra else content
    found: list[tuple[Guard, Content]] = [(frozenset(~one for one in beginnings.values()), rest)]
    for name, literal in beginnings.items():
        begins = frozenset(one if one == literal else ~one for one in beginnings.values())
        before = "" if name in content.extra else content.prefix
        exact = f"{content.exact}{name}" if content.exact is not None and before else None
        found.append((begins, msgspec.structs.replace(rest, prefix=before + name, piece=name, exact=exact)))
    return found


def is_extra(piece: str) -> bool:
    """Whether a piece is a wrapper's own key, and not the beginning of the keys of a part of the model."""
    return bool(piece) and not piece.endswith(".")


def is_rest(machine: Machine, tests: Iterable[KeyTest]) -> bool:
    """Whether what passes the tests is all, but for the pieces: the names that begin with none of the own ones."""
    return all(
        not one.wanted and one.kind == "starts" and one.text.removesuffix(".") in machine.own_names for one in tests
    )


def possible_extra(machine: Machine, prefix: str) -> tuple[str, ...]:
    """The keys beside those of a module that a file whose keys have that prefix may have."""
    return tuple(sorted(machine.own_names.difference(TOKENS))) if prefix in FOLLOWED else ()


def expected(machine: Machine, files: Iterable[str]) -> None:
    """Look which wrappers with tensors of their own the project names: a file may be read before one is written."""
    for name, extra in machine.knowledge.with_extra:
        if any(machine.candidates.mentions(file, {name.encode()}) for file in files):
            machine.own_names.update(extra)


def rejoined(cases: Sequence[tuple[Guard, Value]]) -> list[tuple[Guard, Value]]:
    """The cases with pieces that were treated like the rest put back to it."""
    left = list(cases)
    for case in cases:
        guard, one = case
        if isinstance(one, Content) and is_extra(one.piece):
            _add_extra(left, guard, one)
            continue
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


def _add_extra(cases: list[tuple[Guard, Value]], guard: Guard, piece: Content) -> None:
    """Put the one key of a piece beside the keys of the module, whatever was done to it."""
    literal = Literal(key_tests.starts_with(piece.piece), "truthy")
    same = (piece.origin, piece.file, piece.entry, piece.assumed)
    for index, (other, rest) in enumerate(cases):
        if not isinstance(rest, Content) or (rest.origin, rest.file, rest.entry, rest.assumed) != same:
            continue
        alike = key_tests.without_tests(guard) == key_tests.without_tests(other)
        if ~literal in other and alike and not rest.piece:
            cases[index] = (other - {~literal}, msgspec.structs.replace(rest, extra=(*rest.extra, piece.prefix)))
            cases.remove((guard, piece))
            return


def first(machine: Machine, value: Value) -> Value:
    """The key that a state dict begins with, of which `value` is any one: `next(iter(sd))`.

    A wrapper's own tensors come before those of its child. Of a file it is not known whether it has them.
    """
    if isinstance(value, Choice):
        return spread(machine, value, lambda plain: first(machine, plain))
    if not isinstance(value, Key) or not value.content.extra:
        return value
    content, name = value.content, value.content.extra[0]
    leading = keys.of_content(msgspec.structs.replace(content, prefix=name, piece=name, extra=()))
    if content.file is None:
        return leading
    begins = Literal(begins_with(content.file, content.entry, name), "truthy")
    return choose([(frozenset({begins}), leading), (frozenset({~begins}), value)], "key")


def begins_with(file: int, entry: tuple[str, ...], name: str) -> str:
    """The symbol of: the first key of that entry of the file is a wrapper's own, with that name."""
    return f"file {file} begins with {name} in {'.'.join(entry)}"


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
