"""Modules that are pickled whole, wrapped or not, and readers that unwrap what they load.

    torch.save({"model": model}, "best.tar")            model: wrapped in a fresh run, bare after a resume
    model = torch.load("best.tar")["model"].module      fails on the second kind of file

What was pickled bare has no `.module`: such a reader is a place that has to look before it unwraps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis.events import LoadedUnwrapEvent, LoadEvent, SavedPart, SaveEvent
from ckptlint.analysis.evidence import path_evidence
from ckptlint.analysis.values import Shape


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
            if path_evidence(load.path, writer.path) is None:
                continue
            modules = [part for part in writer.parts if part.module is not None and part.entry == reader.entry]
            bare = [part for part in modules if part.module is not None and not _wrapped(part.module, reader.attribute)]
            if bare:
                yield PickledPair(reader, writer, bare[0], len(bare) == len(modules))
                break


def _wrapped(shape: Shape, token: str) -> bool:
    return bool(shape.wrappers) and shape.wrappers[0].token == token
