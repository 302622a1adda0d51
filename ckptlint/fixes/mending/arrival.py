"""What arrives at a load: the keys of a file, with the prefix that is left of theirs, and the model that waits there.

The run tries every file with each prefix that its keys can have, and notes what has become of it at the load:

    prefix of the file      at the load      the target wants
    "module."               "module."        ""                fails
    ""                      ""               ""                works
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ckptlint.analysis.events import ApplyEvent
from ckptlint.analysis.guards import both
from ckptlint.analysis.pairs import arriving
from ckptlint.analysis.values import Content, Shape, Site


class Arrival(msgspec.Struct, frozen=True):
    """Keys that arrive at a load: their prefix in the file and at the load, and the target in that case."""

    before: str
    content: Content
    target: Shape | None
    is_new: bool

    @property
    def works(self) -> bool | None:
        """Whether the load restores the model; None when that is not known."""
        if self.target is None or not self.target.known:
            return None
        wanted = self.target.prefix + self.content.piece
        if self.content.filtered:
            return None if self.content.prefix == wanted else False
        if self.content.piece and not any(f"{name}." == self.content.piece for name, _ in self.target.children):
            return True  # the model has no such part
        return self.content.prefix == wanted


def given(
    reader: ApplyEvent, file: int | None, entry: tuple[str, ...], prefix: str, *, is_new: bool
) -> Iterator[Arrival]:
    """What arrives at a load when the keys of that entry of that file have `prefix`."""
    for source in arriving(reader, file, entry, prefix) if file is not None else ():
        content = source.content
        if content is None or content.assumed != prefix:
            continue
        for target in reader.targets:
            if both(source.guard, target.guard) is not None:
                yield Arrival(prefix, content, target.shape, is_new)


def from_memory(reader: ApplyEvent, unwrapped: frozenset[Site], read_back: frozenset[Site]) -> Iterator[Arrival]:
    """What arrives of state dicts that were never in a file, or that the same run has written."""
    for source in reader.sources:
        content = source.content
        if content is None or content.shape is None or content.file is not None:
            continue
        for target in reader.targets:
            if both(source.guard, target.guard) is None:
                continue
            if content.origin in unwrapped:
                bare = msgspec.structs.replace(content, prefix=content.prefix.removeprefix(content.shape.prefix))
                yield Arrival(content.shape.prefix, bare, target.shape, is_new=True)
            if content.origin not in unwrapped or content.origin in read_back:
                yield Arrival(content.shape.prefix, content, target.shape, is_new=False)


def copes(found: Sequence[Arrival]) -> bool:
    """Whether the load works for everything that arrives."""
    return all(arrival.works for arrival in found)


def breaks(before: Sequence[Arrival], after: Sequence[Arrival]) -> bool:
    """Whether a load that works for some target now will not work for the same target with what is written later."""
    working = {arrival.target for arrival in before if arrival.works is not False}
    return any(arrival.works is False and arrival.is_new and arrival.target in working for arrival in after)
