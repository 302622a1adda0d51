"""Strict loads of files that nothing in the project writes, and that nobody has looked into.

    model.load_state_dict(torch.load(args.weights))         unverified: any other key and it raises

A load is verified when its keys are made the same whatever prefix the file has, picked by what the model has, when its
failure is dealt with, or when a writer of the project is paired with it (that pair is CKPT301's business).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis import asked_keys
from ckptlint.analysis.events import ApplyEvent
from ckptlint.analysis.pairs import Pair
from ckptlint.analysis.values import Shape, Site

#: What files are tried with: without a prefix, and with that of DataParallel.
TRIED = ("", "module.")

#: What has a `load_state_dict` and is no module.
_WITHOUT_PREFIX = ("torch.optim.", "torch.amp.", "torch.cuda.amp.")


class Unverified(msgspec.Struct, frozen=True):
    """A load, each time it was run."""

    site: Site
    readers: tuple[ApplyEvent, ...]


def unverified(applies: Iterable[ApplyEvent], pairs: Iterable[Pair]) -> Iterator[Unverified]:
    """Every such load, once; a load that is verified in one run and not in another is not reported."""
    paired = {pair.reader.site for pair in pairs}
    by_site: dict[Site, list[ApplyEvent]] = {}
    for event in applies:
        by_site.setdefault(event.site, []).append(event)
    for site, events in by_site.items():
        if site in paired or any(event.strict is not True or event.handled for event in events):
            continue
        if all(_is_blind(event) for event in events):
            yield Unverified(site, tuple(events))


def _is_blind(event: ApplyEvent) -> bool:
    """Whether files with and without the prefix arrive as they are, all of them, at what is surely a module."""
    contents = [source.content for source in event.sources if not source.empty]
    if not contents or any(one is None or one.file is None or one.filtered for one in contents):
        return False
    if any(asked_keys.files_in(literal.symbol) for source in event.sources for literal in source.guard):
        return False
    if not event.targets or not all(_is_module(target.shape) for target in event.targets):
        return False
    arriving = {one.prefix for one in contents if one is not None and one.assumed in TRIED}
    return len(arriving) > 1


def _is_module(shape: Shape | None) -> bool:
    """Not an optimizer, nor something that is not known: those have no keys with prefixes."""
    return shape is not None and shape.known and not shape.identity.startswith(_WITHOUT_PREFIX)
