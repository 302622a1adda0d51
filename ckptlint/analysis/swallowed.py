"""Loads that did not happen, of which somebody talks and goes on.

Of what `failures` has noted, these are left:

- a file that is not there, where the user has said which file it is (`args.resume`, a parameter), and a state dict is
  loaded where it is there. A path that the script makes itself (`os.path.join(out, "last.pth")`), or looks for, is how
  scripts resume by themselves: the first time it is not there;
- a load that fails, whatever the file, unless the same file is read again behind it: attempts one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import Events, SilenceEvent
from ckptlint.analysis.values import Site

#: A path that somebody looked for, and did not ask for.
_LOOKED_FOR = re.compile(r"(?i)last|latest|auto|newest|find_|list_|glob|cache|default")
_GIVEN = re.compile(r"[\w.\[\]'\"-]+|(?:getattr|[\w.]+\.get)\([^()]*\)")
_ON_PURPOSE = re.compile(r"(?i)scratch|from the beginning|fresh|new (?:run|model|training)|initiali[sz]")


class Swallowed(msgspec.Struct, frozen=True):
    """A load that did not happen: `kind` is "missing" or "failed", `loads` are the loads.

    `roles` are "optimizer", "scheduler", ... where it is no model.
    """

    site: Site
    kind: str
    loads: tuple[Site, ...]
    roles: tuple[str, ...] = ()


def swallowed(events: Events) -> Iterator[Swallowed]:
    """Every such place, once."""
    found: dict[Site, Swallowed] = {}
    for event in events.silences:
        is_lost = event.kind == "failed" or _is_given(event)
        if is_lost and event.site not in found and not _is_tried_again(events, event):
            loads = sorted(event.loads) or _loads_of(events, event)
            if loads:
                found[event.site] = Swallowed(event.site, event.kind, tuple(loads), event.roles)
    yield from found.values()


def _is_tried_again(events: Events, event: SilenceEvent) -> bool:
    """Whether the file whose reading has failed is read once more behind the handler."""
    here = (event.site.file, event.site.unit)
    paths = {one.path for one in events.loads[: event.read_before] if one.file in event.files}
    return any(
        one.run == event.run and one.path in paths and (one.site.file, one.site.unit) == here
        for one in events.loads[event.read_before :]
    )


def _is_given(event: SilenceEvent) -> bool:
    path = event.path
    if not path or _LOOKED_FOR.search(path) or not _GIVEN.fullmatch(path):
        return False
    is_option = "." in path or "[" in path
    return is_option or not _ON_PURPOSE.search(event.text)


def _loads_of(events: Events, event: SilenceEvent) -> list[Site]:
    """The loads that are done where the file is there."""
    found: set[Site] = set()
    for apply in events.applies:
        if apply.run != event.run:
            continue
        given = any(one.content is not None and one.content.file in event.files for one in apply.sources)
        if given or any(one.symbol in event.symbols and not one.negated for one in apply.guard):
            found.add(apply.site)
    return sorted(found)
