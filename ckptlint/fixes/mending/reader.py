"""A reader: what makes a load take every file that its writers have written and will write.

The prefixes are taken off, in the order of the wrappers, and the target is unwrapped. Where the run saw something at
work that this would spoil (keys cut off, or picked by what the model has), or the failure is dealt with, it is left
alone.
"""

from __future__ import annotations

import ast

import msgspec

from ckptlint.analysis import fit
from ckptlint.analysis.keys import CUT
from ckptlint.analysis.solve import Project
from ckptlint.analysis.torch_version import CONSUME_PREFIX_SINCE, has
from ckptlint.analysis.values import TOKENS, Shape, Site
from ckptlint.findings import Edit
from ckptlint.fixes.mending.arrival import Arrival, from_memory, given
from ckptlint.fixes.mending.chains import KEPT, keys_chain, marks_of_cases, target_chain
from ckptlint.fixes.mending.group import Places, places
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span, statement_of
from ckptlint.fixes.mending.used import used_again
from ckptlint.fixes.shapes.reader import Declined, Reader, normalised


def arrivals(all_places: Places, reader: Site, unwrapped: frozenset[Site]) -> list[Arrival]:
    """All that can arrive at a reader, when the model is unwrapped at the places `unwrapped` where it is taken."""
    found: dict[Arrival, None] = {}
    for contact in all_places.contacts.get(reader, ()):
        content = contact.content
        for prefix, is_new in ((content.prefix, False), ("", content.origin in unwrapped)):
            if prefix == content.prefix or is_new:
                found.update(dict.fromkeys(given(contact.reader, contact.file, contact.entry, prefix, is_new=is_new)))
    for event in all_places.applies.get(reader, ()):
        found.update(dict.fromkeys(from_memory(event, unwrapped, all_places.read_back)))
    return list(found)


def leaves_out(all_places: Places, reader: Site, unwrapped: frozenset[Site]) -> bool:
    """Whether nothing of a file that is loaded here now would be loaded anywhere when it has no prefix.

    It is so where names are picked by a model that is wrapped, in ways that the run could not follow to the end.
    """
    for contact in all_places.contacts.get(reader, ()):
        content = contact.content
        if content.origin not in unwrapped or not content.prefix:
            continue
        now = given(contact.reader, contact.file, contact.entry, content.prefix, is_new=False)
        if all(arrival.works is False for arrival in now):
            continue
        readers = (event for events in all_places.applies.values() for event in events)
        if not any(list(given(one, contact.file, contact.entry, "", is_new=True)) for one in readers):
            return True
    return False


def exactly(found: list[Arrival]) -> list[Arrival]:
    """What would arrive if code that takes too much off keys (CKPT305, CKPT307) took off what it means to."""
    return [
        msgspec.structs.replace(one, content=msgspec.structs.replace(one.content, prefix=one.content.exact, exact=None))
        for one in found
        if one.content.exact is not None
    ]


def mended(project: Project, reader: Site, found: list[Arrival]) -> tuple[Edit, ...] | Declined:
    """The edits after which the load takes all of `found`."""
    events = project.derived(places).applies[reader]
    if any(event.handled for event in events):
        return Declined("the load stands in a `try` that deals with its failure")
    if any(arrival.content.filtered for arrival in found):
        return Declined("the keys are picked by what the model has")
    if any(arrival.content.prefix.startswith(CUT) for arrival in found):
        return Declined("the beginning of every key is cut off")
    if any(arrival.content.piece and arrival.works is False for arrival in found):
        return Declined("it takes the name of a part of the model for a prefix")
    marks = marks_of_cases([case.shape for event in events for case in event.targets])
    if any(mark.wrapper in KEPT for case in marks for mark in case):
        return Declined("the target is an averaged model, which keeps its own keys")
    file = project.derived(Sources)[reader.file]
    path = path_to(file, project.place(reader)) if file is not None else None
    call = path[-1] if path is not None else None
    if file is None or path is None or not isinstance(call, ast.Call):
        return Declined("the file cannot be read")
    own = [one for one in _modules(project, reader) if _own_names(one)]
    if any(set(_own_names(one)) == {name for name, _ in one.children} for one in own):
        return Declined("every key of the bare model begins like a wrapper's prefix")
    target = target_chain(project, file, path, marks)
    if target is None:
        return Declined("the class of the wrapper has no name in this file")
    state = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "state_dict"), None)
    wanted = Reader(
        statement=span(file, statement_of(path)),
        call=span(file, call),
        keys=keys_chain(arrival.content.prefix for arrival in found if not arrival.content.piece),
        target=target.chain,
        used_again=state is None or used_again(path, state),
        own=bool(own),
        consume=has(project.settings.oldest_torch, CONSUME_PREFIX_SINCE),
    )
    edits = normalised(file, wanted)
    return edits if isinstance(edits, Declined) else (*edits, *target.edits)


def _modules(project: Project, reader: Site) -> list[Shape]:
    """The modules that a load meets: those that are loaded into, and those whose state dicts arrive."""
    all_places = project.derived(places)
    events = all_places.applies[reader]
    targets = [case.shape for event in events for case in event.targets]
    memory = [source.content.shape for event in events for source in event.sources if source.content is not None]
    written = [contact.content.shape for contact in all_places.contacts.get(reader, ())]
    return [shape for shape in (*targets, *memory, *written) if shape is not None]


def _own_names(shape: Shape) -> list[str]:
    """The parts of the model itself that are called like the child of a wrapper."""
    return [name for name, _ in shape.children if name in TOKENS]


def differs_inside(project: Project, reader: Site) -> bool:
    """Whether some file has more or less than the model below the prefixes, a loss's weight, so that it never fits."""
    return reader in project.derived(_differing_inside)


def _differing_inside(project: Project) -> frozenset[Site]:
    found: set[Site] = set()
    for pair in project.pairs:
        for meeting in pair.meetings:
            if meeting.body is not None:
                bare = msgspec.structs.replace(meeting.content, prefix=meeting.target.prefix)
                if fit.compare(bare, meeting.body, meeting.target).verdict == "differs":
                    found.add(pair.reader.site)
    return frozenset(found)
