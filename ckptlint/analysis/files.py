"""Files written and read by the run.

A file that this same run has written to a path of the same text is read back as what was written (`written`): that is
no guess, and its conditions are those of the run itself. Any other file is unknown until writers and readers are
paired.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis import entries, key_tests, live, own_names, rank_tests, shapes, slips
from ckptlint.analysis.events import LoadEvent, SavedPart, SaveEvent
from ckptlint.analysis.guards import ALWAYS, Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import (
    NONE,
    Const,
    Content,
    Key,
    Keys,
    Opaque,
    Ref,
    Shape,
    Site,
    Text,
    TupleValue,
    Value,
    alternatives,
)

_DEEPEST_ENTRY = 3
_MOST_PARTS = 64

#: `checkpoint["model"].module`, where the file holds the module itself.
UNWRAPPED_ENTRY = (".module", "._orig_mod")


def save(
    machine: Machine,
    value: Value,
    path: Value,
    site: Site,
    implied: str = "",
    *,
    once: bool = False,
    pickles: bool = True,
    read_by: str = "torch.load",
) -> None:
    """A file is written."""
    slips.note_saved(machine, value)
    parts = _Parts(machine, site).of(value)
    machine.events.saves.append(
        SaveEvent(
            site,
            resolved_path(machine, path),
            parts,
            machine.guard,
            machine.run,
            tuple(machine.calls[-6:]),
            implied,
            once,
            machine.now(),
            machine.info(value).site if isinstance(value, Ref) else None,
            rank_tests.passed(machine),
            pickles,
            read_by,
            machine.rounds.around,
        )
    )
    key = _path_key(machine, path)
    if key is not None:
        machine.memory.write(machine.disk, key, value)


def copy(machine: Machine, old: Value, new: Value) -> None:
    """What this run has written under the old path stands under the new one, too."""
    source, target = _path_key(machine, old), _path_key(machine, new)
    if source is None or target is None:
        return
    written = machine.memory.read(machine.disk, source)
    if written is not None:
        machine.memory.write(machine.disk, target, written)


def _path_key(machine: Machine, path: Value) -> str | None:
    """The cell of a file in memory: only for paths whose text says which file it is."""
    resolved = resolved_path(machine, path)
    if isinstance(resolved, (Const, Text)) or (isinstance(resolved, Opaque) and not resolved.fresh):
        return f"file of run {machine.run}: {symbol_of(resolved)}"
    return None


def resolved_path(machine: Machine, path: Value) -> Value:
    """The path as text; an open file is the path that it was opened with."""
    if isinstance(path, Ref):
        info = machine.info(path)
        if info.path is not None:
            return info.path
    return path


class _Place(msgspec.Struct, frozen=True):
    """Where in what is saved: the path of entry names, when it is there, and where the entry was written down."""

    entry: tuple[str, ...] = ()
    guard: Guard = ALWAYS
    at: Site | None = None

    def below(self, name: str, at: Site | None) -> _Place:
        """An entry of this."""
        return _Place((*self.entry, name), self.guard, at or self.at)


class _Parts:
    """Takes apart what is saved."""

    def __init__(self, machine: Machine, site: Site) -> None:
        self.machine = machine
        self.site = site
        self.parts: list[SavedPart] = []

    def of(self, value: Value) -> tuple[SavedPart, ...]:
        """The parts of a value."""
        self._collect(value, _Place(), 0)
        return tuple(self.parts[:_MOST_PARTS])

    def _note(
        self, place: _Place, content: Content | None = None, module: Shape | None = None, value: Value | None = None
    ) -> None:
        self.parts.append(SavedPart(place.entry, place.guard, content, module, value, place.at))

    def _collect(self, value: Value, place: _Place, depth: int) -> None:
        machine = self.machine
        before = machine.guard
        for inner, plain in own_names.rejoined(alternatives(machine.narrow(value))):
            together = both(place.guard, inner)
            outer = both(before, together) if together is not None else None
            if together is None or outer is None or len(self.parts) > _MOST_PARTS:
                continue
            machine.guard = outer
            tests = key_tests.tests_in(together)
            here = _Place(place.entry, key_tests.without_tests(together), place.at)
            if isinstance(plain, Content):
                # What came out of a file goes into this one: one of its hypotheses is enough.
                if plain.shape is not None or not any(_same_file(part, here.entry, plain) for part in self.parts):
                    self._note(here, key_tests.passed(plain, tests))
            elif isinstance(plain, Keys) and plain.kind == "items":
                self._note(here, key_tests.passed(plain.content, tests))
            elif isinstance(plain, Key):
                self._note(here)
            elif isinstance(plain, TupleValue):
                for index, item in enumerate(plain.items):
                    self._collect(item, here.below(str(index), None), depth + 1)
            elif isinstance(plain, Ref):
                self._collect_object(plain, here, depth)
            else:
                self._note(here, value=plain)
            machine.guard = before

    def _collect_object(self, ref: Ref, place: _Place, depth: int) -> None:
        machine = self.machine
        info = machine.info(ref)
        if info.kind in ("module", "foreign"):
            for inner, shape in shapes.of_value(machine, ref):
                together = both(place.guard, inner)
                if together is not None:
                    self._note(_Place(place.entry, together, place.at), module=shape, value=ref)
            return
        if info.kind not in ("dict", "file", "list"):
            self._note(place, value=ref)
            return
        if info.kind == "file" and info.entry and info.entry[-1] in UNWRAPPED_ENTRY:
            # the module inside a wrapper that was read from a file, now saved again: bare
            self._note(place, module=Shape(known=False))
            return
        if info.taken is not None:
            live.note_use(machine, "saved", ref, self.site)
        bulk = machine.get(ref, entries.BULK)
        if bulk is not None and bulk != NONE:
            self._collect(bulk, place, depth)
        elif place.entry and not info.names:
            self._note(place)
        if info.kind == "dict" and info.grown:
            self._note(place.below("**", None))
        if depth < _DEEPEST_ENTRY:
            for name in list(info.names):
                inner_value = machine.get(ref, name)
                if inner_value is not None and name != entries.BULK:
                    self._collect(inner_value, place.below(name, info.names[name]), depth + 1)


def _same_file(part: SavedPart, entry: tuple[str, ...], content: Content) -> bool:
    return part.entry == entry and part.content is not None and part.content.file == content.file


def load(machine: Machine, path: Value, site: Site) -> Value:
    """`torch.load(path)`."""
    for plain in (one for _, one in alternatives(path)):
        if isinstance(plain, Ref) and machine.info(plain).kind == "file" and machine.info(plain).foreign:
            return entries.new_file(machine, site, path, foreign=True)
    resolved = resolved_path(machine, path)
    key = _path_key(machine, path)
    if key is not None:
        written = machine.memory.read(machine.disk, key)
        if written is not None:
            machine.events.loads.append(
                LoadEvent(site, resolved, 0, machine.guard, machine.run, tuple(machine.calls[-6:]))
            )
            return _as_read(machine, written, resolved)
    foreign = _is_remote(resolved)
    made = entries.new_file(machine, site, resolved, foreign=foreign)
    machine.events.loads.append(
        LoadEvent(site, resolved, machine.files, machine.guard, machine.run, tuple(machine.calls[-6:]))
    )
    return made


def _as_read(machine: Machine, written: Value, path: Value) -> Value:
    """What was written, as fresh objects that know which file they come from."""
    from ckptlint.analysis import modules

    read = modules.copied(machine, written)
    for _, plain in alternatives(read):
        if isinstance(plain, Ref) and machine.info(plain).kind == "dict":
            machine.info(plain).path = path
    return read


def holds_state(machine: Machine, value: Value, site: Site) -> bool:
    """Whether state dicts or modules are in it."""
    taken = _Parts(machine, site).of(value)
    return any(part.content is not None or part.module is not None for part in taken)


def _is_remote(path: Value) -> bool:
    """A path that begins with a URL scheme, or comes from a download."""
    if isinstance(path, Const):
        return isinstance(path.value, str) and "://" in path.value[:10]
    if isinstance(path, Text) and path.parts:
        first = path.parts[0]
        return "://" in first[:10] if isinstance(first, str) else "download" in first.symbol
    return isinstance(path, Opaque) and ("download" in path.symbol or "hf_hub" in path.symbol)


def fetched(machine: Machine, name: str, site: Site) -> Value:
    """Something brought from elsewhere: a file that this project did not write."""
    return entries.new_file(machine, site, Opaque(name), foreign=True)
