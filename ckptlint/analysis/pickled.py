"""Modules that are pickled whole, wrapped or not, and readers that unwrap what they load.

    torch.save({"model": model}, "best.tar")            model: wrapped in a fresh run, bare after a resume
    model = torch.load("best.tar")["model"].module      fails on the second kind of file

What was pickled bare has no `.module`: such a reader is a place that has to look before it unwraps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis.events import ANOTHER_PICKLER, LoadedUnwrapEvent, LoadEvent, SavedPart, SaveEvent
from ckptlint.analysis.evidence import path_evidence
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import MODULE, Opaque, Ref, Shape, Site


class PickledPair(msgspec.Struct, frozen=True):
    """A reader that unwraps, and a writer that pickles the module bare in the case of `part`."""

    reader: LoadedUnwrapEvent
    writer: SaveEvent
    part: SavedPart
    always: bool


def pickled_pairs(
    saves: Iterable[SaveEvent], loads: Iterable[LoadEvent], unwraps: Iterable[LoadedUnwrapEvent]
) -> Iterator[PickledPair]:
    """For each reader the first writer of its file that can hold a bare module."""
    writers = [save for save in saves if any(part.module is not None for part in save.parts)]
    by_file = {load.file: load for load in loads if load.file}
    for reader in unwraps:
        load = by_file.get(reader.file)
        if load is None or reader.handled:
            continue
        for writer in writers:
            if path_evidence(load.path, writer.names) is None:
                continue
            modules = [part for part in writer.parts if part.module is not None and part.entry == reader.entry]
            bare = [part for part in modules if part.module is not None and not _wrapped(part.module, reader.attribute)]
            if bare:
                yield PickledPair(reader, writer, bare[0], len(bare) == len(modules))
                break


def _wrapped(shape: Shape, token: str) -> bool:
    return bool(shape.wrappers) and shape.wrappers[0].token == token


class WholeModule(msgspec.Struct, frozen=True):
    """A place where a module is put into a file as an object: the entry that holds it, or the save itself.

    `entries` are the names of the entries of one dict that hold modules, "" where the file holds nothing else. `sites`
    are where they were written down.
    """

    save: Site
    entries: tuple[str, ...]
    sites: tuple[Site, ...]


def whole_modules(machine: Machine, saves: Iterable[SaveEvent]) -> Iterator[WholeModule]:
    """Every such place, once; entries of one dict are one place, whichever saves it goes through."""
    found: dict[Site, tuple[Site, dict[str, Site]]] = {}
    for save in saves:
        if not save.pickles or save.implied or save.read_by == ANOTHER_PICKLER or is_in_memory(machine, save):
            continue
        held = [part for part in save.parts if is_module_part(machine, part)]
        if not held:
            continue
        sites = {".".join(part.entry): part.at or save.site for part in held}
        found.setdefault(next(iter(sites.values())), (save.site, {}))[1].update(sites)
    for save_site, sites in found.values():
        yield WholeModule(save_site, tuple(sites), tuple(dict.fromkeys(sites.values())))


def is_module_part(machine: Machine, part: SavedPart) -> bool:
    """Whether the part is surely a module: of a class that is one, or something that is used as one."""
    value = part.value
    if isinstance(value, Ref):
        kind = machine.info(value).kind
        return kind == "module" or (kind == "foreign" and symbol_of(value) in machine.seen.as_modules)
    return isinstance(value, Opaque) and (value.kind == MODULE or value.symbol in machine.seen.as_modules)


def is_in_memory(machine: Machine, save: SaveEvent) -> bool:
    """`torch.save(model, io.BytesIO())`: a copy for the moment, or a look at its size."""
    path = save.path
    cls = machine.info(path).cls if isinstance(path, Ref) else None
    return symbol_of(cls) == "io.BytesIO" if cls is not None else False
