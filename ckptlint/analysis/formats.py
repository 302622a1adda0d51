"""What writers put at the top of a file against what readers take it for.

    torch.save({"model": net.state_dict(), "epoch": 3}, "last.pth")         a dict of entries: model, epoch
    torch.save(net.state_dict(), "last.pth")                                a bare state dict
    torch.save(net, "last.pth")                                             a whole module

    torch.load("last.pth")["optimizer"]              wants an entry
    net.load_state_dict(torch.load("last.pth"))      wants a bare state dict
    torch.load("last.pth").eval()                    wants a whole module

A reader is held against the writers whose file it can be seen to read (`_surely_meet`): the path says so, and the model
is not another one. It is reported only when none of them writes what it wants, and no other writer of the project that
may meet it (`_may_meet`) does; a writer of which not all is known may write anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis import evidence, fit
from ckptlint.analysis.events import ApplyEvent, Events, LoadedUseEvent, LoadEvent, SaveEvent
from ckptlint.analysis.guards import Guard
from ckptlint.analysis.loaded import OF_MODULES
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import NONE, Opaque, Shape, Site, Text, Value

ENTRIES, STATE_DICT, MODULE = "entries", "state dict", "module"

#: `loaded.to(device)` is for tensors as well; these are for modules alone.
_ONLY_MODULES = OF_MODULES - {"cpu", "cuda", "float", "half", "state_dict", "to"} | {"__call__"}

_OF_FILE = re.compile(r"^file (\d+) (has|is) (.*)$")

#: Questions about a path that are not about its name.
_ON_DISK = re.compile(r"(?:exists|is_?file|is_?dir|is_?link|access|getsize|getmtime|stat)\(")
_MOST_PARTS = 64
_ENOUGH_SHARED = 2


class Written(msgspec.Struct, frozen=True):
    """What a save puts at the top of its file: the kinds that it can be, and the names of the entries.

    `is_open` says that there may be other entries, or other kinds. `shapes` are the modules whose weights are in it,
    `keys` those of a bare state dict, where they are known, `weights` the entries that hold the weights of a model.
    """

    save: SaveEvent
    kinds: frozenset[str]
    names: tuple[str, ...]
    is_open: bool
    shapes: tuple[Shape, ...]
    keys: frozenset[str] | None = None
    weights: tuple[str, ...] = ()


class Mismatch(msgspec.Struct, frozen=True):
    """A use of a file that fails, and the writers of that file.

    `wants` and `has` are kinds; where both are "entries", the entry `name` is the one that nobody writes. `loaded` is
    the `torch.load`; `names` are the entries that the file has; `surely` tells how well the paths agree. `known` is the
    name of a file that was given with its contents: it has no writers. `weights` are the entries with the weights of a
    model.
    """

    use: LoadedUseEvent
    wants: str
    has: str
    loaded: Site
    writers: tuple[SaveEvent, ...]
    names: tuple[str, ...]
    strict: bool | None
    surely: int
    known: str = ""
    weights: tuple[str, ...] = ()


class Reading(msgspec.Struct, frozen=True):
    """One `torch.load` as it was run, and all that was done with what it gave."""

    load: LoadEvent
    uses: tuple[LoadedUseEvent, ...]
    targets: tuple[Shape, ...]
    applied: frozenset[str]

    @property
    def entries(self) -> frozenset[str]:
        """The entries that are asked for."""
        return frozenset(use.name for use in self.uses if use.how == "entry")


def mismatches(events: Events) -> Iterator[Mismatch]:
    """Every use that fails, each time it was run."""
    if not events.loaded_uses:
        return
    written = [_written(save) for save in events.saves if not save.implied]
    strictness = {apply.site: apply.strict for apply in events.applies}
    for reading in readings(events):
        near = [(surely, _nearness(reading, one), one) for one in written if (surely := _surely_meet(reading, one))]
        if not near:
            continue
        best = max((surely, nearness) for surely, nearness, _ in near)
        theirs = [one for surely, nearness, one in near if (surely, nearness) == best]
        others = [one for one in written if one not in theirs and _may_meet(reading, one)]
        for use in reading.uses:
            yield from of_use(use, reading, theirs, others, best[0], strictness.get(use.site))
    yield from _of_one_run(events, strictness)


def of_use(
    use: LoadedUseEvent,
    reading: Reading,
    theirs: list[Written],
    others: list[Written],
    surely: int,
    strict: bool | None,
) -> Iterator[Mismatch]:
    """A use that none of the writers of its file serves, and nor do the others that may meet it."""
    if use.handled or (use.how == "module" and not any(one.name in _ONLY_MODULES for one in reading.uses)):
        return
    wants = ENTRIES if use.how == "entry" else MODULE if use.how == "module" else STATE_DICT
    possible = [one for one in theirs if _is_possible(use.guard, use.file, one)]
    if _is_for_some_names(use.guard, reading.load.path):
        return
    if not possible or any(one.is_open or len(one.kinds) != 1 or _serves(use, wants, one) for one in possible):
        return
    if any(one.is_open or _serves(use, wants, one) for one in others):
        return
    has = next(iter(possible[0].kinds))
    if any(one.kinds != possible[0].kinds for one in possible):
        return
    if wants == ENTRIES and has == STATE_DICT and not _is_no_tensor(use.name, reading, possible):
        return
    names = tuple(dict.fromkeys(name for one in possible for name in one.names))
    if wants == STATE_DICT and not _is_for_modules(reading.targets, names):
        return
    weights = tuple(dict.fromkeys(name for one in possible for name in one.weights))
    saves = tuple(one.save for one in possible)
    yield Mismatch(use, wants, has, reading.load.site, saves, names, strict, surely, weights=weights)


def _is_for_some_names(guard: Guard, path: Value) -> bool:
    """Whether the use is for files of certain names: `if path.endswith(".tar")`. Other names, other contents."""
    if not isinstance(path, (Opaque, Text)):
        return False
    name = symbol_of(path)
    mentioned = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w(])")
    return any(
        part.symbol != name and mentioned.search(part.symbol) and not _ON_DISK.search(part.symbol)
        for literal in guard
        for part in literal.parts or (literal,)
    )


def _is_for_modules(targets: Iterable[Shape], names: Iterable[str]) -> bool:
    """Whether what is loaded into are modules, and the entries are no tensors of theirs: `{"fc.weight": tensor}` is a
    state dict, written by hand."""
    models = [shape for shape in targets if _class_name(shape)]
    tensors = {name for shape in models for name, child in shape.children if child.tensor}
    return bool(models) and not any("." in name or name in tensors for name in names)


def _serves(use: LoadedUseEvent, wants: str, one: Written) -> bool:
    """Whether the writer writes what the use wants."""
    return wants in one.kinds and (wants != ENTRIES or use.name in one.names)


def _is_no_tensor(name: str, reading: Reading, writers: list[Written]) -> bool:
    """Whether an entry asked of a bare state dict is none of its tensors."""
    if "." in name:
        return False
    if name in reading.applied:
        return True
    if all(one.keys is not None for one in writers):
        return not any(one.keys and name in one.keys for one in writers)
    shapes = [shape for one in writers for shape in one.shapes]
    known = [fit.keys_of(shape, "") for shape in shapes if shape.known]
    return len(known) == len(shapes) > 0 and all(whole and name not in keys for keys, whole in known)


def readings(events: Events) -> Iterator[Reading]:
    """Every `torch.load` whose result was used, with its uses."""
    uses: dict[int, dict[LoadedUseEvent, None]] = {}
    for use in events.loaded_uses:
        if use.file:
            uses.setdefault(use.file, {})[use] = None
    applies: dict[int, list[tuple[ApplyEvent, tuple[str, ...]]]] = {}
    for apply in events.applies:
        for place in {(one.content.file, one.content.entry) for one in apply.sources if one.content is not None}:
            if place[0]:
                applies.setdefault(place[0], []).append((apply, place[1]))
    for load in events.loads:
        if load.file in uses:
            shapes = [case.shape for apply, _ in applies.get(load.file, ()) for case in apply.targets]
            applied = frozenset(entry[0] for _, entry in applies.get(load.file, ()) if len(entry) == 1)
            targets = tuple(dict.fromkeys(one for one in shapes if one is not None))
            yield Reading(load, tuple(uses[load.file]), targets, applied)


def _written(save: SaveEvent) -> Written:
    kinds: set[str] = set()
    names: dict[str, None] = {}
    weights: dict[str, None] = {}
    shapes: dict[Shape, None] = {}
    is_open = len(save.parts) >= _MOST_PARTS
    for part in save.parts:
        shape = part.content.shape if part.content is not None else part.module
        if shape is not None:
            shapes[shape] = None
        if part.entry:
            name = part.entry[0]
            kinds.add(ENTRIES)
            names[name] = None
            if len(part.entry) == 1 and part.content is not None and shape is not None and _class_name(shape):
                weights[name] = None
            is_open = is_open or name.startswith(("*", "{"))
        elif part.content is not None:
            # what came out of another file may be anything
            kinds.add(STATE_DICT)
            is_open = is_open or part.content.shape is None or not part.content.shape.known
        elif part.module is not None and _class_name(part.module):
            kinds.add(MODULE)
        else:
            is_open = is_open or part.value != NONE
    is_open = is_open or not kinds
    return Written(save, frozenset(kinds), tuple(names), is_open, tuple(shapes), weights=tuple(weights))


def _is_possible(guard: Guard, file: int, one: Written) -> bool:
    """Whether the conditions of a use that look into the file can hold for the files of that writer."""
    for literal in guard:
        for part in literal.parts or (literal,):
            match = _OF_FILE.match(part.symbol)
            if match is None or int(match.group(1)) != file:
                continue
            if literal.parts or part.op != "truthy":
                return False
            asked, name = match.group(2), match.group(3)
            if asked == "has":
                holds = name in one.names
            else:
                holds = (MODULE in one.kinds) == (name == "module")
            if not part.accepts(holds):
                return False
    return True


def _surely_meet(reading: Reading, one: Written) -> int:
    """How well it can be seen that the reader reads that writer's file; 0 where it cannot."""
    load, save = reading.load, one.save
    agree = _same_model(reading.targets, one.shapes)
    together = load.site.file == save.site.file or load.run == save.run
    shared = len(reading.entries & set(one.names))
    named = evidence.shared_name(load.path, save.names)
    if named and agree is not False and _is_backed(reading, one, named, agree=bool(agree), shared=bool(shared)):
        return 1 + named
    if load.run == save.run and agree and shared >= _ENOUGH_SHARED and not evidence.has_known_name(load.path):
        return 1
    whole_module = any(use.how == "module" and use.name in _ONLY_MODULES for use in reading.uses)
    if whole_module and together and evidence.options_alike(load.path, save.names):
        return 1
    return 0


def _nearness(reading: Reading, one: Written) -> int:
    """2 for a writer in the same file, 1 for one in the same folder: a project of many examples has many Nets."""
    read, written = reading.load.site.file, one.save.site.file
    return 2 if read == written else 1 if read.rpartition("/")[0] == written.rpartition("/")[0] else 0


def _is_backed(reading: Reading, one: Written, named: int, *, agree: bool, shared: bool) -> bool:
    """Whether something else speaks for the pair: a name alone says little, unless it is a whole path.

    A pair of helpers, `save(model, path)` and `load(model, path)`, stands in one file and has the model or an entry in
    common.
    """
    load, save = reading.load, one.save
    if not evidence.has_known_name(load.path) and named == 1:
        return load.site.file == save.site.file and (agree or shared)
    together = load.site.file == save.site.file or load.run == save.run
    return agree or shared or together or named >= evidence.WHOLE_PATH


def _may_meet(reading: Reading, one: Written) -> bool:
    """Whether nothing speaks against it that the reader reads that writer's file."""
    if evidence.path_evidence(reading.load.path, one.save.names) is None:
        return False
    return bool(one.kinds) and _same_model(reading.targets, one.shapes) is not False


def _same_model(targets: Iterable[Shape], written: Iterable[Shape]) -> bool | None:
    """Whether a model that is loaded into and one that is written are of one class; None where that is not known."""
    ours = {name for shape in targets if (name := _class_name(shape))}
    theirs = {name for shape in written if (name := _class_name(shape))}
    if ours & theirs:
        return True
    return None if not ours or not theirs else False


def _class_name(shape: Shape) -> str:
    """The name of a class of the project, wherever it is defined: projects keep copies of their models."""
    if ":" in shape.identity:
        return shape.identity.rpartition(":")[2]
    return shape.identity if shape.identity.startswith("torch.nn.") else ""


def _of_one_run(events: Events, strictness: dict[Site, bool | None]) -> Iterator[Mismatch]:
    """Uses of a file that the same run has written: what is in it is known."""
    targets: dict[Site, list[Shape]] = {}
    for apply in events.applies:
        targets.setdefault(apply.site, []).extend(case.shape for case in apply.targets if case.shape is not None)
    for use in events.loaded_uses:
        if use.file or use.path is None or use.handled:
            continue
        if use.how == "state dict" and not _is_for_modules(targets.get(use.site, ()), use.held):
            continue
        saves = tuple(dict.fromkeys(one for one in events.saves if one.run == use.run and _is_path(one, use.path)))
        if saves and not any(_written(one).is_open for one in saves):
            wants = ENTRIES if use.how == "entry" else STATE_DICT
            yield Mismatch(use, wants, ENTRIES, use.site, saves, use.held, strictness.get(use.site), 4)


def _is_path(save: SaveEvent, path: Value) -> bool:
    return path == save.path or path in save.renamed
