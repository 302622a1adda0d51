"""Loads that forgive whatever does not fit, and nobody hears of it.

    model.load_state_dict(sd, strict=False)                  nobody looks at what it says
    result = model.load_state_dict(sd, strict=False)         nor here, where `result` is not read
    print(model.load_state_dict(sd, strict=False))           somebody does

A load is reported when runs of it forgive, and of none of these is the answer looked at, whichever function it was
handed to. Somebody who has counted the keys of the dict before, or told those that do not fit, has looked too: see
`picks`. Where the keys come from a model in memory, there is nothing to look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis import picks
from ckptlint.analysis.events import ApplyEvent, ResultEvent
from ckptlint.analysis.key_edits_names import inside
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Ref, Site
from ckptlint.facts import ir
from ckptlint.facts.store import FactStore
from ckptlint.source import UnreadableSource


class Unlooked(msgspec.Struct, frozen=True):
    """A forgiving load, each time it was run, and what becomes of its answer.

    `fetched`: what is loaded are published weights, which never change.
    """

    call: Site
    readers: tuple[ApplyEvent, ...]
    results: tuple[ResultEvent, ...]
    fetched: bool = False


def unlooked(store: FactStore, machine: Machine) -> Iterator[Unlooked]:
    """Every such load, once."""
    events = machine.events
    lost = lost_answers(store, events.results)
    misused = {event.apply for event in events.results if event.use in ("misused", "replaced")}
    by_call: dict[Site, list[int]] = {}
    for number, apply in enumerate(events.applies):
        by_call.setdefault(_place(apply, lost.get(number)), []).append(number)
    for call, numbers in by_call.items():
        forgiving = [number for number in numbers if events.applies[number].strict is False]
        readers = tuple(events.applies[number] for number in forgiving)
        held = [source.held for reader in readers for source in reader.sources]
        if not readers or not misused.isdisjoint(numbers) or _is_checked(machine, held):
            continue
        if all(number in lost for number in forgiving):
            results = tuple(dict.fromkeys(lost[number] for number in forgiving))
            fetched = all(one is not None and picks.is_fetched(machine, one) for one in held)
            yield Unlooked(call, readers, results, fetched and bool(held))


def _place(apply: ApplyEvent, lost: ResultEvent | None) -> Site:
    """Where the answer is lost: a class's own `load_state_dict` may hand it on to a caller who drops it."""
    outer = apply.site
    here = lost is not None and (lost.site.file, lost.site.unit) == (outer.file, outer.unit)
    return outer if here or apply.call is None else apply.call


def lost_answers(store: FactStore, results: Iterable[ResultEvent]) -> dict[int, ResultEvent]:
    """By the number of the load what becomes of its answer, where nobody looks at it."""
    lost: dict[int, ResultEvent] = {}
    for event in results:
        if event.use == "dropped" or (event.use == "kept" and not _is_read(store, event)):
            lost.setdefault(event.apply, event)
    return lost


def _is_checked(machine: Machine, held: list[Ref | None]) -> bool:
    """Whether somebody has looked before, or there is nothing to look for.

    So it is where the keys are those of a model in memory, or were written down one by one.
    """
    if any(picks.is_checked(machine, one) for one in held if one is not None):
        return True
    if held and all(one is not None and picks.is_written_down(machine, one) for one in held):
        return True
    return bool(held) and all(one is not None and picks.is_of_a_model(machine, one) for one in held)


def _is_read(store: FactStore, kept: ResultEvent) -> bool:
    """Whether one of the names is read anywhere in the code that may see it."""
    site = kept.site
    try:
        unit = store.function(site.file, site.unit) if site.unit else store.skeleton(site.file)
    except UnreadableSource:
        return True
    names = {name for name in kept.names if name != "_"}
    if not names:
        return False
    if not site.unit:
        text = store.source(site.file).text
        return any(len(re.findall(rf"\b{re.escape(name)}\b", text)) > 1 for name in names)
    return not names.isdisjoint(_read_in(unit))


def _read_in(unit: ir.Unit) -> Iterable[str]:
    bound = {
        inner.id
        for node in inside(unit)
        if isinstance(node, ir.Assign)
        for target in node.targets
        for inner in (target.items if isinstance(target, ir.Collection) else (target,))
        if isinstance(inner, ir.Name)
    }
    yield from (node.name for node in inside(unit) if isinstance(node, ir.Name) and node.id not in bound)
    yield from (name for node in inside(unit) if isinstance(node, ir.Scope) for name in node.names)
