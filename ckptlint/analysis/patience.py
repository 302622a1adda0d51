"""Functions that have been followed often enough without any gain are followed no more.

    class Bar:                              four hundred steps each time a run comes by a download, and nothing
        def __init__(self, total): ...      that has to do with checkpoints ever happens in it

A call has mattered when something happened in it that the rules may ask about (an event, a marked unit), or when it
gave back or put somewhere an object: a module, an optimizer, what a file holds, or a container of such. What only
computes gives, after a few calls, the same opaque value as a function that cannot be read; what gives no object, but in
which something happens, has ten times as many. Short functions (`is_main_process()`) are always followed, for what they
give decides branches.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from ckptlint.analysis.events import Events
from ckptlint.analysis.memory import Memory
from ckptlint.analysis.objects import ObjectInfo
from ckptlint.analysis.steps import Steps
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import MODULE, Opaque, Ref, TupleValue, Value, alternatives
from ckptlint.knowledge import Knowledge

FOR_A_FUNCTION = 4_000
CALLS = 8
SHORT = 40
WHERE_SOMETHING_HAPPENS = 10

_DEEPEST = 3
_HOLDERS = frozenset(("instance", "dict", "list", "opaque"))

Place: TypeAlias = tuple[str, int, int]


class Before(NamedTuple):
    """What there was before a call: steps taken, what had happened, writes, and owners of cells."""

    steps: int
    happened: int
    writes: int
    owners: int


class Spent(msgspec.Struct):
    """The calls of a function so far, the steps that they took, and how much patience there is with it."""

    calls: int = 0
    steps: int = 0
    patience: int = 1


class Patience:
    """What was spent on functions, and which of them have mattered."""

    def __init__(
        self, memory: Memory, events: Events, steps: Steps, objects: Mapping[int, ObjectInfo], knowledge: Knowledge
    ) -> None:
        self._memory = memory
        self._events = events
        self._steps = steps
        self._objects = objects
        self._knowledge = knowledge
        self._gives_objects: set[Place] = set()
        self._spent: dict[Place, Spent] = {}

    def is_over(self, place: Place) -> bool:
        """Whether the function is not worth another call."""
        spent = self._spent.get(place)
        if spent is None or spent.calls < CALLS * spent.patience or spent.steps < FOR_A_FUNCTION * spent.patience:
            return False
        return spent.steps >= SHORT * spent.calls

    def before(self, place: Place) -> Before | None:
        """A call begins; None when nothing has to be found out about the function any more."""
        if place in self._gives_objects:
            return None
        memory = self._memory
        return Before(self._steps.taken, self._happened, len(memory.trail), memory.owners)

    def after(self, place: Place, before: Before, given: Value) -> None:
        """The call has ended, and `given` is what it gives."""
        steps = self._steps.taken - before.steps
        spent = self._spent.setdefault(place, Spent())
        spent.calls += 1
        spent.steps += steps
        if steps < SHORT:
            return
        if self._gives_an_object(before, given):
            self._gives_objects.add(place)
            del self._spent[place]
        elif self._happened > before.happened:
            spent.patience = WHERE_SOMETHING_HAPPENS

    @property
    def _happened(self) -> int:
        return self._events.count + self._steps.marks

    def _gives_an_object(self, before: Before, given: Value) -> bool:
        if self._counts(given, 0):
            return True
        memory = self._memory
        written = {cell for cell, _ in memory.trail[before.writes :] if cell[0] <= before.owners}
        return any(self._counts(value, 0) for cell in written if (value := memory.cells.get(cell)) is not None)

    def _counts(self, value: Value, depth: int) -> bool:
        """Whether a value is, or holds, an object that may have to do with checkpoints."""
        if isinstance(value, TupleValue):
            return any(self._counts(item, depth) for item in value.items)
        return any(self._is_telling(plain, depth) for _, plain in alternatives(value))

    def _is_telling(self, value: Value, depth: int) -> bool:
        if not isinstance(value, Ref):
            return isinstance(value, Opaque) and (value.kind == MODULE or (value.fresh and not self._is_other(value)))
        info = self._objects[value.id]
        if info.kind not in _HOLDERS:
            return info.kind != "foreign" or info.cls is None or not self._is_other(info.cls)
        if depth >= _DEEPEST:
            return True
        inside = (self._memory.cells.get((value.id, name)) for name in (*info.names, "*"))
        return any(self._counts(one, depth + 1) for one in inside if one is not None)

    def _is_other(self, made: Value) -> bool:
        """Whether a class, or the call that a value comes from, is known to give a loader, an image, ..."""
        name = symbol_of(made).partition("(")[0]
        return name.partition(".")[0] in sys.stdlib_module_names or self._knowledge.is_other(name)
