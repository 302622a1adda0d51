"""Files written and read by the run.

A file that this same run has written to a path of the same text is read back as what was written (`written`): that is
no guess, and its conditions are those of the run itself. Any other file is unknown until writers and readers are
paired.
"""

from __future__ import annotations

from ckptlint.analysis import entries, key_tests, rank_tests, shapes
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


def save(machine: Machine, value: Value, path: Value, site: Site, implied: str = "", *, once: bool = False) -> None:
    """A file is written."""
    parts: list[SavedPart] = []
    _collect(machine, value, (), ALWAYS, parts, 0)
    machine.events.saves.append(
        SaveEvent(
            site,
            resolved_path(machine, path),
            tuple(parts[:_MOST_PARTS]),
            machine.guard,
            machine.run,
            tuple(machine.calls[-6:]),
            implied,
            once,
            machine.entry,
            rank_tests.passed(machine),
        )
    )
    key = _path_key(machine, path)
    if key is not None:
        machine.memory.write(machine.disk, key, value)


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


def _collect(
    machine: Machine, value: Value, entry: tuple[str, ...], guard: Guard, parts: list[SavedPart], depth: int
) -> None:
    before = machine.guard
    for inner, plain in alternatives(machine.narrow(value)):
        together = both(guard, inner)
        outer = both(before, together) if together is not None else None
        if together is None or outer is None or len(parts) > _MOST_PARTS:
            continue
        machine.guard = outer
        tests = key_tests.tests_in(together)
        together = key_tests.without_tests(together)
        if isinstance(plain, Content):
            if plain.shape is None and any(_same_file(part, entry, plain) for part in parts):
                # What came out of a file goes into this one: one of its hypotheses is enough.
                machine.guard = before
                continue
            parts.append(SavedPart(entry, together, content=key_tests.passed(plain, tests)))
        elif isinstance(plain, Keys) and plain.kind == "items":
            parts.append(SavedPart(entry, together, content=key_tests.passed(plain.content, tests)))
        elif isinstance(plain, Key):
            parts.append(SavedPart(entry, together))
        elif isinstance(plain, TupleValue):
            for index, item in enumerate(plain.items):
                _collect(machine, item, (*entry, str(index)), together, parts, depth + 1)
        elif isinstance(plain, Ref):
            _collect_object(machine, plain, entry, together, parts, depth)
        elif entry:
            parts.append(SavedPart(entry, together))
        machine.guard = before


def _same_file(part: SavedPart, entry: tuple[str, ...], content: Content) -> bool:
    return part.entry == entry and part.content is not None and part.content.file == content.file


def _collect_object(
    machine: Machine, ref: Ref, entry: tuple[str, ...], guard: Guard, parts: list[SavedPart], depth: int
) -> None:
    info = machine.info(ref)
    if info.kind in ("module", "foreign"):
        parts.extend(
            SavedPart(entry, together, module=shape)
            for inner, shape in shapes.of_value(machine, ref)
            if (together := both(guard, inner)) is not None
        )
        return
    if info.kind not in ("dict", "file", "list"):
        parts.append(SavedPart(entry, guard))
        return
    if info.kind == "file" and info.entry and info.entry[-1] in UNWRAPPED_ENTRY:
        # the module inside a wrapper that was read from a file, now saved again: bare
        parts.append(SavedPart(entry, guard, module=Shape(known=False)))
        return
    bulk = machine.get(ref, entries.BULK)
    if bulk is not None and bulk != NONE:
        _collect(machine, bulk, entry, guard, parts, depth)
    elif entry and not info.names:
        parts.append(SavedPart(entry, guard))
    if depth < _DEEPEST_ENTRY:
        for name in list(info.names):
            inner_value = machine.get(ref, name)
            if inner_value is not None and name != entries.BULK:
                _collect(machine, inner_value, (*entry, name), guard, parts, depth + 1)


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
            return _as_read(machine, written, site)
    foreign = _is_remote(resolved)
    made = entries.new_file(machine, site, resolved, foreign=foreign)
    machine.events.loads.append(
        LoadEvent(site, resolved, machine.files, machine.guard, machine.run, tuple(machine.calls[-6:]))
    )
    return made


def _as_read(machine: Machine, written: Value, site: Site) -> Value:
    """What was written, as fresh objects."""
    from ckptlint.analysis import modules

    return modules.copied(machine, written)


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
