"""Loads that take what fits and leave out the rest, and nobody hears of it.

    picked   {k: v for k, v in loaded.items() if k in own}, loaded with strict=False
    merged   own.update(picked), and `own` is loaded: what the file lacks is there anyway, even for a strict load
    filled   own.update(loaded), and `own` is loaded strictly: the same, but keys that the model lacks raise
    copied   own[name].copy_(tensor) for the names that are in `own`

A dict of picked keys that is loaded strictly is no partial load: what is missing raises. See `picks` for what counts as
hearing of it. Where the model's keys and those of the file are known, it can be said that nothing at all is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis import picks
from ckptlint.analysis.events import ApplyEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.pairs import Pair
from ckptlint.analysis.unlooked import lost_answers
from ckptlint.analysis.values import Ref, Site
from ckptlint.facts.store import FactStore


class PartialLoad(msgspec.Struct, frozen=True):
    """A silent partial load, of the kind "picked", "merged", "filled" or "copied".

    `site` is the test, the merge or the load. `load` is the load itself, None for copies. `nothing`: it is proven that
    no key is loaded. `fetched`: what is loaded are published weights, which never change.
    """

    kind: str
    site: Site
    load: Site | None = None
    merged: Site | None = None
    nothing: bool = False
    fetched: bool = False


def partial_loads(store: FactStore, machine: Machine, pairs: Iterable[Pair]) -> Iterator[PartialLoad]:
    """Every silent partial load, once."""
    empty = _loading_nothing(pairs)
    lost = lost_answers(store, machine.events.results)
    found: dict[Site, PartialLoad] = {}
    checked: set[Site] = set()
    for number, apply in enumerate(machine.events.applies):
        for held in dict.fromkeys(source.held for source in apply.sources):
            partial = _of_load(machine, apply, held, nothing=apply.site in empty) if held is not None else None
            if partial is None or held is None:
                continue
            known = found.setdefault(partial.site, partial)
            if known.fetched and not partial.fetched:
                found[partial.site] = partial
            answered = partial.kind == "picked" and number not in lost
            if answered or picks.is_checked(machine, held):
                checked.add(partial.site)
    for copy in machine.events.copies:
        site = min(machine.notes.member_tests[symbol].site for symbol in copy.tests)
        found.setdefault(site, PartialLoad("copied", site))
        if picks.is_told(machine, copy.tests):
            checked.add(site)
    yield from (partial for site, partial in found.items() if site not in checked)


def _of_load(machine: Machine, apply: ApplyEvent, held: Ref, *, nothing: bool) -> PartialLoad | None:
    merged, one_by_one, all_names = picks.merged_at(machine, held)
    tests = picks.tests_passed(machine, held)
    if merged is None and (apply.strict is not False or not tests or not picks.is_from_elsewhere(machine, held)):
        return None
    load = apply.call or apply.site
    whole = not tests and all_names and apply.strict is not False
    kind = "picked" if merged is None else "filled" if whole else "merged"
    here = [site for symbol in tests if _together(site := machine.notes.member_tests[symbol].site, load)]
    at_once = merged is not None and not one_by_one and _together(merged, load)
    site = min(here) if here else merged if merged is not None and at_once else load
    return PartialLoad(kind, site, load, merged, nothing, picks.is_fetched(machine, held))


def _together(one: Site, other: Site) -> bool:
    return (one.file, one.unit) == (other.file, other.unit)


def _loading_nothing(pairs: Iterable[Pair]) -> set[Site]:
    """The loads that restore nothing, whichever writer has written the file, on whatever machine."""
    always: dict[Site, bool] = {}
    for pair in pairs:
        if pair.writer is None:
            continue
        site = pair.reader.site
        nothing = bool(pair.meetings) and all(
            meeting.fit.verdict == "differs" and meeting.fit.nothing for meeting in pair.meetings
        )
        always[site] = always.get(site, True) and nothing
    return {site for site, nothing in always.items() if nothing}
