"""Run the project and give the rules something to ask.

    project = solve(store, AnalysisSettings())
    project.events.saves ...                       what happened, see `events`
    project.place(site)                            where that is

What is run, and from where, is the business of `roots`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeVar, cast

import msgspec

from ckptlint.analysis import roots
from ckptlint.analysis.events import Events
from ckptlint.analysis.formats import Mismatch, mismatches
from ckptlint.analysis.key_edits import KeyEdit, key_edits
from ckptlint.analysis.known_files import KnownFile, KnownPair, known_mismatches, known_pairs
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.pairs import Pair, pairs
from ckptlint.analysis.pickled import PickledPair, pickled_pairs
from ckptlint.analysis.values import Site
from ckptlint.facts.parallel import beside
from ckptlint.facts.store import FactStore
from ckptlint.findings import Place, Position, Span
from ckptlint.knowledge import load_knowledge
from ckptlint.knowledge.entries import Entries
from ckptlint.project.modules import ModuleMap
from ckptlint.source import UnreadableSource

Derived = TypeVar("Derived")

#: Calls nest in the machine as they do in the program, a dozen Python frames for each; the stack is made for it.
_STACK_BYTES = 256 * 1024 * 1024
_RECURSION = 40_000


class AnalysisSettings(msgspec.Struct, frozen=True):
    """What the analysis is told."""

    target_version: str | None = None
    torch_version: str | None = None
    oldest_torch: str | None = None
    """The oldest torch that fixes must run on; None: today's."""
    knowledge: Entries | None = None
    files: tuple[KnownFile, ...] = ()
    jobs: int = 1
    """Processes to use; 0: as many as there are cores."""


class Project:
    """A project that was run."""

    def __init__(self, store: FactStore, machine: Machine, settings: AnalysisSettings) -> None:
        self.store = store
        self.settings = settings
        self.machine = machine
        self.events: Events = machine.events
        self.scanned: tuple[KeyEdit, ...] | None = None
        self._derived: dict[Callable[[Project], Any], Any] = {}

    @cached_property
    def key_edits(self) -> tuple[KeyEdit, ...]:
        """Prefixes cut off keys in ways that cut too much, see `key_edits`."""
        return _scan(self.store) if self.scanned is None else self.scanned

    def derived(self, make: Callable[[Project], Derived]) -> Derived:
        """What `make` works out of the project, worked out once, whoever asks."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return cast("Derived", self._derived[make])

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Readers with the writers whose files they can meet, see `pairs`."""
        return tuple(pairs(self.events.saves, self.events.loads, self.events.applies))

    @cached_property
    def known_pairs(self) -> tuple[KnownPair, ...]:
        """Readers of files that were given with their real keys, see `known_files`."""
        if not self.settings.files:
            return ()
        return tuple(known_pairs(self.settings.files, self.events.loads, self.events.applies))

    @cached_property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """What is asked of files in vain: of those that were given, else of those that the project writes."""
        known = tuple(known_mismatches(self.settings.files, self.events)) if self.settings.files else ()
        given = {one.loaded for one in known}
        return (*known, *(one for one in mismatches(self.events) if one.loaded not in given))

    @cached_property
    def pickled(self) -> tuple[PickledPair, ...]:
        """Readers that unwrap a module that was pickled bare, see `pickled`."""
        events = self.events
        return tuple(pickled_pairs(events.saves, events.loads, events.loaded_unwraps))

    @cached_property
    def failing(self) -> dict[Site, list[Pair]]:
        """The pairs in which something does not fit, by the place where the state dict was taken."""
        found: dict[Site, list[Pair]] = {}
        for pair in self.pairs:
            if pair.writer is not None and pair.differs and not pair.reader.handled:
                found.setdefault(pair.origin, []).append(pair)
        return found

    def place(self, site: Site) -> Place:
        """Where a node is."""
        return Place(site.file, self._span(site))

    def statement(self, site: Site) -> Span:
        """The statement around a node."""
        try:
            return self.store.statement_span(site.file, site.unit, site.node)
        except UnreadableSource:
            return self._span(site)

    def _span(self, site: Site) -> Span:
        try:
            spans = self.store.spans(site.file, site.unit, [site.node])
        except UnreadableSource:
            return Span(Position(1, 1), Position(1, 1))
        return spans.get(site.node, Span(Position(1, 1), Position(1, 1)))


def solve(store: FactStore, settings: AnalysisSettings) -> Project:
    """Run everything that can matter."""
    machine = Machine(store, ModuleMap(store.files), load_knowledge(settings.knowledge))
    with beside(store, partial(_scan, store), tuple[KeyEdit, ...], jobs=settings.jobs) as scan:
        _run(machine)
        project = Project(store, machine, settings)
        project.scanned = scan.result()
    return project


def _scan(store: FactStore) -> tuple[KeyEdit, ...]:
    return tuple(key_edits(store))


def _run(machine: Machine) -> None:
    """Run everything that can matter, in a thread with a stack of its own."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            roots.run_all(machine)
        except BaseException as error:  # carried over to the calling thread and raised there
            failures.append(error)

    limit, stack = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(_RECURSION)
    try:
        thread = threading.Thread(target=work, name="analysis", daemon=True)  # Ctrl-C does not wait for it
        thread.start()
        thread.join()
    finally:
        threading.stack_size(stack)
        sys.setrecursionlimit(limit)
    if failures:
        raise failures[0]
