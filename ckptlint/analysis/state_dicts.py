"""State dicts: made from modules, copied, consumed, loaded back."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptlint.analysis import (
    asked_keys,
    collectives,
    entries,
    key_tests,
    keys,
    live,
    loaded,
    own_names,
    picks,
    shapes,
    slips,
)
from ckptlint.analysis.events import ApplyEvent, SourceCase, StateDictEvent, TargetCase
from ckptlint.analysis.guards import ALWAYS, Guard, Literal, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import (
    NONE,
    Const,
    Content,
    LoadResult,
    Opaque,
    Ref,
    Shape,
    Site,
    Value,
    alternatives,
    choose,
)
from ckptlint.knowledge import Gather


def of_value(machine: Machine, target: Value, site: Site, prefix: str = "") -> Value:
    """`target.state_dict()`: a dict whose bulk is the keys of the module."""
    collectives.state_dict_taken(machine, target, site)
    cases = shapes.of_value(machine, target)
    for _, plain in alternatives(target):
        machine.ask(plain, site, "1 taken")
    made = entries.new_dict(machine, site)
    picks.note_own(machine, made)
    bulk: list[tuple[Guard, Value]] = [(guard, _taken(site, prefix, shape)) for guard, shape in cases]
    machine.memory.write(made.id, entries.BULK, choose(bulk, "state dict"))
    live.take(machine, made, target, site)
    machine.events.state_dicts.append(
        StateDictEvent(site, tuple(TargetCase(guard, shape) for guard, shape in cases), machine.guard, machine.run)
    )
    return made


def _taken(site: Site, prefix: str, shape: Shape) -> Content:
    return Content(site, prefix + shape.prefix, shape, extra=tuple(prefix + name for name in shape.extra))


def gathered(machine: Machine, target: Value, gather: Gather, site: Site) -> Value:
    """A state dict taken by a function that leaves out the prefixes of the wrappers it knows."""
    made = entries.new_dict(machine, site)
    picks.note_own(machine, made)
    bulk: list[tuple[Guard, Value]] = []
    for _, plain in alternatives(target):
        machine.ask(plain, site, "1 taken")
    for guard, shape in shapes.of_value(machine, target):
        kept = _without(shape, gather.strips)
        bulk.append((guard, _taken(site, "", kept)))
    machine.memory.write(made.id, entries.BULK, choose(bulk, "state dict"))
    return made


def _without(shape: Shape, kinds: tuple[str, ...]) -> Shape:
    # What accelerate wraps in is torch's own class.
    marks = tuple(mark for mark in shape.wrappers if mark.wrapper.removeprefix("accelerate's ") not in kinds)
    children = tuple((name, _without(child, kinds)) for name, child in shape.children)
    return Shape(
        marks,
        children,
        shape.closed,
        shape.identity,
        shape.tensor,
        shape.loss,
        shape.known,
        shape.site,
        shape.source,
        shape.asks,
    )


def consume(machine: Machine, target: Value, prefix: str) -> None:
    """`consume_prefix_in_state_dict_if_present(target, prefix)`, in place."""
    for _, plain in alternatives(target):
        if not isinstance(plain, Ref):
            continue
        bulk = machine.get(plain, entries.BULK)
        if bulk is None:
            continue
        cases: list[tuple[Guard, Value]] = []
        for guard, one in alternatives(bulk):
            parts = own_names.pieces(machine, one) if isinstance(one, Content) else [(ALWAYS, one)]
            stripped: list[tuple[Guard, Value]] = [(names, _stripped(part, prefix)) for names, part in parts]
            for names, part in own_names.rejoined(stripped):
                joined = both(guard, names)
                if joined is not None:
                    cases.append((joined, part))
        machine.memory.write(plain.id, entries.BULK, choose(cases, "bulk"))


def _stripped(content: Value, prefix: str) -> Value:
    if not isinstance(content, Content):
        return content
    return keys.written(keys.remove_prefix(keys.of_content(content), prefix))


def shallow_copy(machine: Machine, source: Ref, site: Site) -> Ref:
    """`dict(source)`, `source.copy()`, `OrderedDict(source)`, `copy.copy(source)`."""
    made = entries.new_dict(machine, site)
    entries.merge_into(machine, made, source)
    info, twin = machine.info(source), machine.info(made)
    twin.file, twin.entry, twin.path, twin.foreign = info.file, info.entry, info.path, info.foreign
    picks.note_copied(machine, source, made)
    return made


def picked(machine: Machine, source: Value | None, own: Value | None, site: Site) -> Value:
    """The keys of `source` that `own` has too, picked by a function from outside."""
    made = entries.new_dict(machine, site)
    symbol = picks.asked(machine, Opaque("key"), own, site) if own is not None else None
    if source is not None:
        entries.merge_into(machine, made, source)
        bulk = machine.get(made, entries.BULK) or NONE
        cases = [
            (guard, entries.with_flags(plain, filtered=True) if isinstance(plain, Content) else plain)
            for guard, plain in alternatives(bulk)
        ]
        machine.memory.write(made.id, entries.BULK, choose(cases, "bulk"))
        values: list[Value] = [Opaque("tensors")] if isinstance(source, Opaque) else []
        picks.note_made(machine, made, frozenset((symbol,)) if symbol else frozenset(), [source], values)
    return made


def load(
    machine: Machine, target: Value, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """`target.load_state_dict(source, strict=...)`."""
    call, site = site, _outermost(machine, site)
    source = positional[0] if positional else keywords.get("state_dict")
    if source is None:
        return Opaque("incompatible keys")
    strict_value = positional[1] if len(positional) > 1 else keywords.get("strict", Const(True))
    if "**" in keywords and "strict" not in keywords and len(positional) < 2:
        strict_value = Opaque("strict")
    strict = bool(strict_value.value) if isinstance(strict_value, Const) else None
    live.note_restore(machine, target, source, site)
    cases = shapes.of_value(machine, target)
    targets = tuple(TargetCase(asked_keys.named(machine, guard), shape.as_target()) for guard, shape in cases)
    sources = tuple(_sources(machine, source))
    slips.note_load(machine, source, targets, positional, keywords, call)
    loaded.note_state_dict(machine, source, sources, site)
    for _, plain in alternatives(target):
        machine.ask(plain, site, "2 loaded")
    handled = _note_failure(machine) if strict is not False else False
    if strict is False and machine.tries:
        machine.tries[-1].forgiving = True
    machine.events.applies.append(
        ApplyEvent(
            site,
            targets,
            sources,
            strict,
            asked_keys.named(machine, machine.guard),
            machine.run,
            handled,
            tuple(machine.calls[-6:]),
            machine.failed,
            call,
            machine.now(),
            keywords.get("assign") == Const(True),
            ", ".join(symbol_of(plain) for _, plain in alternatives(target)),
        )
    )
    return LoadResult(len(machine.events.applies) - 1)


def _outermost(machine: Machine, site: Site) -> Site:
    """Inside a class's own `load_state_dict` the load belongs to whoever called it."""
    for frame in reversed(machine.frames):
        if frame.function is None or frame.function.name != "load_state_dict" or frame.called_from is None:
            break
        site = frame.called_from
    return site


def _sources(machine: Machine, source: Value) -> list[SourceCase]:
    cases: list[SourceCase] = []
    before = machine.guard
    for guard, plain in alternatives(source):
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        if not isinstance(plain, Ref):
            cases.append(SourceCase(guard, None))
            continue
        bulk = machine.get(plain, entries.BULK)
        named = any(name not in ("*", "**") for name in machine.info(plain).names)
        if bulk is None:
            cases.append(SourceCase(guard, None, held=plain))
            continue
        for inner, content in own_names.rejoined(alternatives(bulk)):
            together = both(guard, inner)
            if together is None:
                continue
            tests = key_tests.tests_in(together)
            together = key_tests.without_tests(together)
            if isinstance(content, Content):
                cases.append(SourceCase(together, key_tests.passed(content, tests), held=plain))
            elif own_names.is_rest(machine, tests):
                cases.append(SourceCase(together, None, empty=content == NONE and not named, held=plain))
            if content == NONE and not named and not tests:
                cases += _left_out(machine, plain, together, merged=False)
            if isinstance(content, Content) and content.file is None and not content.merged:
                cases += _not_merged(machine, plain, together)
    machine.guard = before
    return [msgspec.structs.replace(one, guard=asked_keys.named(machine, one.guard)) for one in cases]


def _drawn_from(machine: Machine, held: Ref, guard: Guard) -> Iterator[tuple[Ref, Guard, Value]]:
    """The dicts that `held` got its keys from, with what they hold."""
    history = machine.info(held).history
    for number in sorted(history.drawn_from) if history is not None else ():
        bulk = machine.get(Ref(number), entries.BULK)
        for inner, content in alternatives(bulk) if bulk is not None else ():
            together = both(guard, inner)
            if together is not None:
                yield Ref(number), together, content


def _not_merged(machine: Machine, own: Ref, guard: Guard) -> Iterator[SourceCase]:
    """What did not come into a model's own state dict, because the dict that was merged into it has nothing of it."""
    for taken, together, content in _drawn_from(machine, own, guard):
        if content == NONE:
            yield from _left_out(machine, taken, together, merged=True)


def _left_out(machine: Machine, held: Ref, guard: Guard, *, merged: bool) -> Iterator[SourceCase]:
    """The state dicts in memory none of whose keys passed the tests, so that `held` is empty."""
    if machine.info(held).grown or picks.tests_of(machine, guard, negated=True):
        return
    if not picks.history(machine, held).picked:  # empty for another reason: in that case no file was written, say
        return
    for _, together, content in _drawn_from(machine, held, guard):
        if isinstance(content, Content) and content.shape is not None:
            yield SourceCase(together, msgspec.structs.replace(content, filtered=True, merged=merged), held=held)


def _note_failure(machine: Machine) -> bool:
    """Tell the `try` around that this load may raise; for which files it does is for `pairs` to find."""
    block = next((one for one in reversed(machine.tries) if one.catches_any("RuntimeError")), None)
    if block is None:
        return False
    block.raised.append(machine.guard | {_some_failure(machine)})
    return True


def _some_failure(machine: Machine) -> Literal:
    return Literal(f"a load fails at step {len(machine.events.applies)}", "truthy")
