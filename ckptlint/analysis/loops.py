"""What a loop runs over, and comprehensions.

A loop over a few known things is unrolled; any other loop runs once, its variable standing for every element. For the
items of a state dict the variable is a `Key` that stands for all keys.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ckptlint.analysis import assignments, entries, expressions, imports, keys, live, own_names, picks, results
from ckptlint.analysis.guards import ALWAYS, Guard, both, negation
from ckptlint.analysis.machine import Frame, Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.truth import cases_of, truth
from ckptlint.analysis.values import (
    MOST_ALTERNATIVES,
    NONE,
    Choice,
    Const,
    Content,
    Key,
    Keys,
    LoadResult,
    Opaque,
    Ref,
    TensorValue,
    Text,
    TupleValue,
    Value,
    alternatives,
    choose,
    merge,
)
from ckptlint.facts import ir

#: A known collection of at most so many things is gone through one by one.
MOST_UNROLLED = 5


def known_items(machine: Machine, value: Value) -> list[Value] | None:
    """The elements one by one, None when they are not known or too many."""
    if isinstance(value, TupleValue):
        return [machine.narrow(item) for item in value.items]
    if isinstance(value, LoadResult):
        return [results.MISSING, results.UNEXPECTED]
    if isinstance(value, Ref):
        info = machine.info(value)
        if info.kind == "list" and entries.BULK not in info.names:
            items = [machine.get(value, name) for name in info.names]
            return [item for item in items if item is not None]
        if info.made_in and machine.deferred:
            imports.fill(machine, info)
        if info.kind == "dict" and machine.get(value, entries.BULK) in (None, NONE) and "**" not in info.names:
            return [Const(name) for name in info.names]
    return None


def element(machine: Machine, value: Value) -> Value:
    """One element that stands for all."""
    if isinstance(value, Choice):
        return spread(machine, value, lambda plain: element(machine, plain))
    items = known_items(machine, value)
    if items:
        return choose([(ALWAYS, item) for item in items[:8]], "element")
    if isinstance(value, Keys):
        return entries.element_of_keys(value)
    if isinstance(value, Ref):
        bulk = machine.get(value, entries.BULK)
        if machine.info(value).kind == "list":
            return bulk if bulk is not None else Opaque(f"<object {value.id}>[]")
        if bulk is not None and bulk != NONE:
            return choose(
                [
                    (guard, keys.of_content(plain) if isinstance(plain, Content) else Opaque("key"))
                    for guard, plain in alternatives(bulk)
                ],
                "key",
            )
        if machine.info(value).kind == "module":
            return Opaque(f"<object {value.id}>[]")
    if isinstance(value, Opaque):
        return Opaque(shorten(value.symbol + "[]"))
    return Opaque("element")


def extend(machine: Machine, target: Ref, value: Value) -> None:
    """`target.extend(value)`, `target += value`, for a list."""
    info = machine.info(target)
    info.grown = True
    items = known_items(machine, value)
    for item in items if items is not None else [] if value == NONE else [element(machine, value)]:
        machine.set(target, str(len(info.names)), item)


def each(machine: Machine, iterable: Value, action: Callable[[Value], None]) -> None:
    """Do `action` for each element, or once for all."""
    items = known_items(machine, iterable)
    looping = machine.frames[-1].looping
    outer = len(looping)
    looping.extend(picks.dicts_in(iterable))
    if items is not None and len(items) <= MOST_UNROLLED:
        for item in items:
            action(item)
    else:
        action(own_names.apart(machine, element(machine, iterable)))
    del looping[outer:]


def any_or_all(machine: Machine, iterable: Value, *, wanted: bool) -> Value:
    """`any(...)` (wanted True) or `all(...)` (False): `any(k.startswith("module.") for k in sd)`."""
    items = known_items(machine, iterable)
    if items is None:
        one = element(machine, iterable)
        # of all keys together, no longer of single ones: see `key_tests`
        if isinstance(one, Opaque) and one.symbol.startswith("key "):
            return Opaque(f"any {one.symbol}")
        return own_names.of_all(one, wanted)
    deciding = [guard for item in items for guard in cases_of(item)[0 if wanted else 1]]
    if any(guard == ALWAYS for guard in deciding):
        return Const(wanted)
    if not deciding:
        return Const(not wanted)
    return items[0] if len(items) == 1 else Opaque("any" if wanted else "all")


class _Made(msgspec.Struct):
    """What a comprehension gives: (guard, key, element); `exact` when these are all of them, one by one.

    `tests` are the tests of membership that the keys have passed, `sources` what it goes over; `picks` when there are
    such tests at all, whether or not anything passes.
    """

    produced: list[tuple[Guard, Value, Value]] = []
    exact: bool = True
    tests: frozenset[str] = frozenset()
    sources: list[Value] = []
    picks: bool = False


def comprehension(machine: Machine, node: ir.Comprehension) -> Value:
    """A list, set, dict or generator; the loop variables live in a scope of their own."""
    frame = machine.frames[-1]
    scope = machine.memory.new_owner()
    machine.frames.append(
        Frame(scope, frame.file, frame.unit, (frame.scope, *frame.parents), frame.function, frame.receiver)
    )
    made = _Made()
    before = machine.guard
    try:
        _generate(machine, node, 0, made)
    finally:
        machine.frames.pop()
        machine.guard = before
    if node.kind == "dict":
        return _made_dict(machine, node, made)
    values = [value for _, _, value in made.produced]
    if len(made.produced) == 1 and not made.exact:
        view = _view_of(values[0])
        if view is not None:
            return view
    listed = entries.new_list(machine, values, machine.site(node), known=made.exact)
    picks.note_made(machine, listed, made.tests, made.sources, values)
    return listed


def _view_of(value: Value) -> Value | None:
    """`[k for k in sd]` is as good as `sd.keys()`."""
    cases: list[tuple[Guard, Value]] = []
    for guard, plain in alternatives(value):
        if not isinstance(plain, Key):
            return None
        cases.append((guard, Keys("keys", Ref(0), keys.written(plain))))
    return choose(cases, "keys")


def _generate(
    machine: Machine,
    node: ir.Comprehension,
    depth: int,
    made: _Made,
) -> None:
    if depth == len(node.generators):
        key = expressions.evaluate(machine, node.key) if node.key is not None else NONE
        made.produced.append((machine.guard, key, expressions.evaluate(machine, node.element)))
        made.tests |= picks.tests_of(machine, machine.guard, negated=False)
        picks.note_told(machine)
        return
    generator = node.generators[depth]
    iterable = expressions.evaluate(machine, generator.iter)
    made.sources.append(iterable)
    items = known_items(machine, iterable)
    if items is None or len(items) > MOST_UNROLLED or generator.conditions:
        made.exact = False
    made.picks = made.picks or any(map(_is_membership, generator.conditions))
    before = machine.guard

    def run(item: Value) -> None:
        assignments.assign(machine, generator.target, item)
        guards: list[Guard] = [ALWAYS]
        for condition in generator.conditions:
            yes, _ = truth(machine, expressions.evaluate(machine, condition))
            guards = [joined for one in guards for other in yes if (joined := both(one, other)) is not None]
            _note_filter(machine, generator, condition)
        for guard in guards[:8]:
            joined = both(before, guard)
            if joined is not None:
                machine.guard = joined
                _generate(machine, node, depth + 1, made)
                machine.guard = before

    each(machine, iterable, run)


def _note_filter(machine: Machine, generator: ir.Generator, condition: ir.Expr) -> None:
    """A condition on membership marks the key as filtered: what does not fit the module is left out."""
    if _is_membership(condition):
        target = generator.target
        name = target.items[0] if isinstance(target, ir.Collection) and target.items else target
        if isinstance(name, ir.Name):
            value = machine.memory.read(machine.frames[-1].scope, name.name)
            if value is not None:
                cases = [(guard, _filtered(plain)) for guard, plain in alternatives(value)]
                machine.memory.write(machine.frames[-1].scope, name.name, choose(cases, "key"))


def _is_membership(condition: ir.Expr) -> bool:
    if isinstance(condition, ir.BoolOp):
        return _is_membership(condition.left) or _is_membership(condition.right)
    return isinstance(condition, ir.Compare) and condition.ops[0] == "in" and not isinstance(condition.left, ir.Const)


def _filtered(value: Value) -> Value:
    if isinstance(value, Key):
        return msgspec.structs.replace(value, content=entries.with_flags(value.content, filtered=True))
    return value


def _made_dict(machine: Machine, node: ir.Comprehension, filled: _Made) -> Value:
    made = entries.new_dict(machine, machine.site(node))
    picks.note_made(machine, made, filled.tests, filled.sources, [value for _, _, value in filled.produced])
    if filled.picks:
        picks.history(machine, made).picked = True
    bulk: list[tuple[Guard, Value]] = []
    outer = machine.guard
    for guard, key, value in filled.produced:
        extra = guard - outer
        for inner, plain in alternatives(key):
            joined = both(extra, inner)
            if joined is None:
                continue
            if isinstance(plain, Key):
                bulk.append((joined, keys.written(plain)))
                live.note_entry(machine, made, value, machine.site(node))
            elif isinstance(plain, Const):
                machine.set(made, str(plain.value), value)
            elif isinstance(value, TensorValue) or _tensors(value):
                bulk.append((joined, Opaque("renamed keys")))
            elif filled.tests and isinstance(plain, (Opaque, Text)):
                bulk.append((joined, Opaque("keys of what is not known")))
            elif isinstance(value, Ref):
                machine.set(made, "{" + symbol_of(plain) + "}", value)
            else:
                machine.info(made).grown = True
    if bulk:
        bulk = own_names.rejoined(bulk)
        if any(guard for guard, _ in bulk):
            filled_in = [guard for guard, _ in bulk]
            rest = merge(list(_rest(filled_in)))
            if not rest or len(bulk) + len(rest) > MOST_ALTERNATIVES:
                rest = merge(list(_rest_by_entry(filled_in)))
            bulk += [(guard, NONE) for guard in rest if len(bulk) + len(rest) <= MOST_ALTERNATIVES]
        machine.memory.write(made.id, entries.BULK, choose(bulk, "bulk"))
    return made


def _tensors(value: Value) -> bool:
    return any(isinstance(plain, TensorValue) for _, plain in alternatives(value))


def _rest(guards: list[Guard]) -> tuple[Guard, ...]:
    """Where nothing was put in: only said when few conditions are involved."""
    if len(guards) > 6 or sum(len(guard) for guard in guards) > 12:
        return ()
    return negation(guards)


def _rest_by_entry(guards: list[Guard]) -> tuple[Guard, ...]:
    """Where nothing was put in whatever the single keys are, entry by entry of what the file may have.

    file has model, prefix of model == "", key is in own / file has no model, prefix == "", key is in own
    ->  file has model, prefix of model != "" / file has no model, prefix != ""
    """
    by_entry: dict[Guard, list[Guard]] = {}
    for guard in guards:
        plain = frozenset(one for one in guard if not one.symbol.startswith("key ") and "<value>" not in one.symbol)
        entry = frozenset(one for one in plain if one.symbol.startswith("file "))
        by_entry.setdefault(entry, []).append(plain - entry)
    found = list(by_entry)
    if any(both(one, other) is not None for index, one in enumerate(found) for other in found[:index]):
        return ()
    return tuple(
        joined
        for entry, inside in by_entry.items()
        for other in _rest(inside)
        if (joined := both(entry, other)) is not None
    )
