"""Answers of loads that are taken for the module that was loaded.

    model = model.load_state_dict(torch.load(path))      `model` is now the two lists of keys
    model.eval()                                         AttributeError

An optimizer's `load_state_dict` answers None.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import ApplyEvent, Events, ResultEvent
from ckptlint.analysis.values import Site


class NotAModule(msgspec.Struct, frozen=True):
    """A load, what was loaded into, and what is done with the answer: `replaced` is where it takes a module's place."""

    call: Site
    reader: ApplyEvent
    uses: tuple[ResultEvent, ...]
    replaced: Site | None = None


def not_modules(events: Events) -> Iterator[NotAModule]:
    """Every such load, once."""
    found: dict[Site, list[ResultEvent]] = {}
    readers: dict[Site, ApplyEvent] = {}
    for event in events.results:
        if event.use in ("misused", "replaced"):
            reader = events.applies[event.apply]
            call = reader.call or reader.site
            readers.setdefault(call, reader)
            found.setdefault(call, []).append(event)
    for call, uses in found.items():
        replaced = next((event.site for event in uses if event.use == "replaced"), None)
        yield NotAModule(call, readers[call], tuple(dict.fromkeys(uses)), replaced)
