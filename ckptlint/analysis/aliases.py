"""Best weights that are kept by reference: live state dicts whose use comes too late.

A use is too late when training has gone on between it and the place where the dict was taken: the clock of training
shows it, or the loops around the two places do (see `live`):

    taken in a loop, under a condition that differs from round to round; used after that loop, or in another round
    taken before a loop that trains; restored in that loop
    kept in an attribute by one method; restored by another

What was taken under no condition in the last round is what the model is at the end, so that is no mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ckptlint.analysis.guards import ALWAYS, Guard
from ckptlint.analysis.live_events import Held, LiveUseEvent, ModelKeptEvent, Taken
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import is_environment
from ckptlint.analysis.values import Site
from ckptlint.facts import ir
from ckptlint.source import UnreadableSource

#: A name alone, `args.save_best`: the same in every round of a loop.
_OPTION = re.compile(r"[\w.]+")


class Alias(msgspec.Struct, frozen=True):
    """A place where a live state dict is kept, and where it is used too late: ways and places.

    `moved`: its tensors were moved to the CPU, which copies them only where the model is elsewhere. `shallow`: the dict
    was copied, its tensors were not.
    """

    taken: Taken
    uses: tuple[tuple[str, Site], ...]

    @property
    def shallow(self) -> bool:
        """Whether the dict was copied, though its tensors were not."""
        return self.taken.kept != self.taken.site


def aliases(machine: Machine) -> Iterator[Alias]:
    """Every such place, once."""
    late: dict[Site, tuple[Taken, dict[tuple[str, Site], None]]] = {}
    for use in machine.events.live_uses:
        for taken in _candidates(machine, use):
            late.setdefault(taken.kept, (taken, {}))[1][(use.how, use.site)] = None
    for taken, uses in late.values():
        yield Alias(taken, tuple(uses))


def _candidates(machine: Machine, use: LiveUseEvent) -> Iterator[Taken]:
    """The live state dicts that are used here too late."""
    for taken in use.taken:
        if use.how == "restored" and taken.modules & use.modules:
            if use.others and not _ended(taken, use):
                continue  # what it is at first; in a later round something else takes its place
            if _is_stale(machine, taken, use) or _is_from_another_method(use, taken):
                yield taken
        elif use.how != "restored" and _is_from_an_earlier_round(machine, taken, use):
            yield taken
    if use.held is None or use.how != "restored":
        return
    for event in machine.events.kept:
        taken = event.taken
        if taken in use.taken or not _same_place(event.held, use.held) or not taken.modules & use.modules:
            continue
        if _varies(machine, taken) and (event.held.attribute or _outlives_a_round(machine, event.held, taken, use)):
            yield taken


def _outlives_a_round(machine: Machine, held: Held, taken: Taken, use: LiveUseEvent) -> bool:
    """Whether a local name keeps its value from round to round: not where each round calls the function anew."""
    both = [one for one in taken.loops if one in use.loops]
    return any(held.owner <= machine.rounds.table[one].newest for one in both)


def _is_stale(machine: Machine, taken: Taken, use: LiveUseEvent) -> bool:
    """Whether the model has changed since, in this round or in one before."""
    if use.trained > taken.trained and not _ended(taken, use):
        return True
    entered = [one for one in use.loops if one not in taken.around]
    return any(machine.rounds.table[one].trains for one in entered) or (
        bool(_ended(taken, use)) and _varies(machine, taken)
    )


def _is_from_an_earlier_round(machine: Machine, taken: Taken, use: LiveUseEvent) -> bool:
    ended = _ended(taken, use)
    return any(machine.rounds.table[one].trains for one in ended) and _varies(machine, taken)


def _is_from_another_method(use: LiveUseEvent, taken: Taken) -> bool:
    """Whether one method has put it into an attribute, and another one restores it: something happened in between."""
    held = use.held
    return held is not None and held.attribute and taken.function is not None and taken.function not in use.functions


def _ended(taken: Taken, use: LiveUseEvent) -> tuple[int, ...]:
    """The loops that it was taken in, and that are over."""
    return tuple(one for one in taken.loops if one not in use.loops)


def _varies(machine: Machine, taken: Taken) -> bool:
    """Whether it is taken in some rounds only: under a condition of the loop, not of the machine or an option."""
    return _changes(machine, taken.guard, taken.loops)


def _changes(machine: Machine, guard: Guard, loops: tuple[int, ...]) -> bool:
    """Whether the guard can hold in one round and not in another; without a loop, in one call and not in another."""
    outside = machine.rounds.table[loops[0]].guard if loops else ALWAYS
    return any(
        not is_environment(literal.symbol) and not (loops and _OPTION.fullmatch(literal.symbol))
        for literal in guard - outside
    )


def _same_place(one: Held, other: Held) -> bool:
    if one.name != other.name or one.attribute is not other.attribute:
        return False
    return one.owner == other.owner or bool(one.classes & other.classes)


class KeptModel(msgspec.Struct, frozen=True):
    """`best_model = model`: the model itself, which training goes on changing."""

    site: Site
    name: str


def kept_models(machine: Machine) -> Iterator[KeptModel]:
    """Where the model itself is kept as the best one, in a loop that trains, and used after it."""
    seen: dict[Site, None] = {}
    for event in machine.events.kept_models:
        varies = _changes(machine, event.guard, event.loops)
        trains = any(machine.rounds.table[one].trains for one in event.loops)
        if varies and trains and event.site not in seen and (event.attribute or _is_read_later(machine, event)):
            seen[event.site] = None
            yield KeptModel(event.site, event.name)


def _is_read_later(machine: Machine, event: ModelKeptEvent) -> bool:
    """Whether the name is read by what follows the loop that it got its value in."""
    site = event.site
    try:
        store = machine.store
        unit: ir.Unit = store.function(site.file, site.unit) if site.unit else store.skeleton(site.file)
    except UnreadableSource:
        return False
    around: set[int] = set()
    later = 0
    for node in _inside(unit):
        if isinstance(node, (ir.For, ir.While)) and not around:
            inner = {one.id for one in _inside(node)}
            around = inner if site.node in inner else around
        elif isinstance(node, ir.Name) and node.name == event.name and around and node.id not in around:
            later += 1
    return later > 0


def _inside(node: ir.Node | ir.Module) -> Iterator[ir.Node]:
    """The nodes of a tree, in the order in which they are written."""
    if isinstance(node, ir.Node):
        yield node
    for field in node.__struct_fields__:
        value = getattr(node, field)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, ir.Node):
                yield from _inside(one)
