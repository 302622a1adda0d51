"""Resumes that bring back the model and forget a part of the training around it.

What belongs together is gathered by group (see `events.Moment`): one run of a script, or the methods of one object.
There, a load is a resume when the model gets weights from a file, a count goes on from what the same file says (or the
optimizer gets its state from it), and training comes after:

    ckpt = torch.load(args.resume)
    model.load_state_dict(ckpt["model"])
    start_epoch = ckpt["epoch"]                         a resume
    ...
    optimizer.step(); scheduler.step()                  used: optimizer, scheduler
    torch.save({"model": ..., "epoch": epoch}, path)    kept: neither

Weights that are loaded to fine-tune or to test bring no count with them. Groups in which a library saves or loads by
itself are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ckptlint.analysis import classes
from ckptlint.analysis.events import ApplyEvent, SaveEvent, TrainingEvent
from ckptlint.analysis.guards import both
from ckptlint.analysis.training import class_of, key_of
from ckptlint.analysis.values import Const, Content, External, Opaque, Ref, Site, alternatives

if TYPE_CHECKING:
    from ckptlint.analysis.machine import Machine
    from ckptlint.analysis.objects import ObjectInfo
    from ckptlint.analysis.solve import Project

Placed = TypeVar("Placed", SaveEvent, ApplyEvent, TrainingEvent)

_OBJECT = re.compile(r"<object (\d+)>")


class Forgotten(msgspec.Struct, frozen=True):
    """A part of training that a resume forgets: its `role`, its class, and where to say so.

    `saved`: its state is in the file, and nobody gives it back. `resumed` is where the model gets its weights, `made`
    where the part is made, `written` the place of the file's dict, and `entries` the dict itself. `used` is a call that
    steps it; `by_scaler`: as the argument of the scaler's. `has_state_dict`: it is known to have the two methods.
    """

    site: Site
    role: str
    name: str
    saved: bool
    resumed: Site
    made: Site | None
    written: Site | None
    entries: Site | None
    used: Site
    by_scaler: bool
    has_state_dict: bool


def forgotten(project: Project) -> Iterator[Forgotten]:
    """Every forgotten part, once for each place."""
    machine, events = project.machine, project.events
    by_group = grouped(events.training)
    saves = grouped(events.saves)
    applies = grouped(events.applies)
    seen: set[tuple[Site, str]] = set()
    for group, training in by_group.items():
        if group in events.kept_elsewhere or group not in saves or group not in applies:
            continue
        for resumed in resumes(project, training, applies[group]):
            for one in _forgotten_by(machine, training, saves[group], resumed):
                if (one.site, one.role) not in seen:
                    seen.add((one.site, one.role))
                    yield one


def grouped(events: Iterable[Placed]) -> dict[int, list[Placed]]:
    """Events by their group."""
    found: dict[int, list[Placed]] = {}
    for event in events:
        found.setdefault(event.at.group, []).append(event)
    return found


def resumes(
    project: Project, training: list[TrainingEvent], applies: list[ApplyEvent], role: str = "optimizer"
) -> Iterator[ApplyEvent]:
    """The loads of a model after which training goes on where the file says; what trains is of that role."""
    used_by = project.machine.roles.used_by[role]
    steps = [event for event in training if event.role == role and event.act in used_by]
    of_parts = {event.site for event in training if event.act == "load_state_dict" and event.role not in ("", "ema")}
    counted = {event.file for event in project.events.progress}
    for event in training:
        if event.act == "load_state_dict" and event.role == "optimizer":
            counted |= event.files
    for apply in applies:
        files = {source.content.file for source in apply.sources if source.content is not None}
        later = [step for step in steps if step.at.entry != apply.at.entry or step.at.number > apply.at.number]
        if apply.site not in of_parts and files & counted - {None} and later:
            yield apply


def _forgotten_by(
    machine: Machine, training: list[TrainingEvent], saves: list[SaveEvent], resumed: ApplyEvent
) -> Iterator[Forgotten]:
    save = _checkpoint_of(machine, saves, resumed)
    written = _place_of_dict(save) if save is not None else None
    asked = _asked_for(machine, resumed)
    for role, used_by in machine.roles.used_by.items():
        ours = [event for event in training if event.role == role]
        used = [event for event in ours if event.act in used_by and both(event.guard, resumed.guard) is not None]
        given_back = any(event.act in ("load_state_dict", "last_epoch") for event in ours)
        if not used or given_back or role in asked:
            continue
        lost = next((event for event in used if _has_state(machine, event, used, training)), None)
        if lost is None or (role == "ema" and _held_is_given_back(machine, training, lost.key)):
            continue
        made = _made(machine, lost.key)
        kept = any(event.act == "state_dict" for event in ours) or _is_written(machine, saves, role)
        kept = kept or (role == "ema" and _held_acts(machine, training, lost.key, "state_dict"))
        site = resumed.site if kept else _place(written, made, role, resumed)
        name = class_of(machine, lost.key)
        entries = save.made if save is not None else None
        by_scaler = role == "optimizer" and any(one.role == "scaler" and one.site == lost.site for one in training)
        known = _has_state_dict(machine, lost.key, role)
        yield Forgotten(site, role, name, kept, resumed.site, made, written, entries, lost.site, by_scaler, known)


def _asked_for(machine: Machine, resumed: ApplyEvent) -> set[str]:
    """The roles of the entries that are read from the resumed file, whatever is done with them."""
    files = {source.content.file for source in resumed.sources if source.content is not None}
    read = [info for info in machine.objects.values() if info.kind == "file" and info.file in files]
    return {machine.roles.of_symbol(name) for info in read for name in info.names}


def _place(written: Site | None, made: Site | None, role: str, resumed: ApplyEvent) -> Site:
    """The dict that lacks the state; for what starts anew by being made, where it is made."""
    if role in ("scaler", "ema"):
        return made or written or resumed.site
    return written or made or resumed.site


def _checkpoint_of(machine: Machine, saves: list[SaveEvent], resumed: ApplyEvent) -> SaveEvent | None:
    """The save that wrote the resumed file: a model stands under the entry that the reader asks for."""
    entries = {source.content.entry for source in resumed.sources if source.content is not None}
    fitting = [
        save
        for save in saves
        if any(
            part.entry in entries and (part.module is not None or _is_of_model(machine, part.content))
            for part in save.parts
        )
    ]
    if not fitting:
        return None
    return max(fitting, key=lambda save: len({part.entry[:1] for part in save.parts}))


def _place_of_dict(fullest: SaveEvent) -> Site:
    """Where the dict is written down: in the call itself, or before."""
    if fullest.made is not None and (fullest.made.file, fullest.made.unit) != (fullest.site.file, fullest.site.unit):
        return fullest.made
    return fullest.site if fullest.made is None or fullest.made.node > fullest.site.node else fullest.made


def _is_of_model(machine: Machine, content: Content | None) -> bool:
    return content is not None and not (content.shape is not None and machine.roles.of_class(content.shape.identity))


def _is_written(machine: Machine, saves: list[SaveEvent], role: str) -> bool:
    """Whether something of that role goes into a file: its object, its state, or an entry that is called so."""
    for save in saves:
        for part in save.parts:
            shapes = (part.module, part.content.shape if part.content is not None else None)
            if any(shape is not None and machine.roles.of_class(shape.identity) == role for shape in shapes):
                return True
            if any(machine.roles.of_symbol(name) == role for name in part.entry):
                return True
    return False


def _info(machine: Machine, key: str) -> ObjectInfo | None:
    match = _OBJECT.fullmatch(key)
    return machine.objects.get(int(match[1])) if match else None


def _made(machine: Machine, key: str) -> Site | None:
    info = _info(machine, key)
    return info.site if info is not None and info.site is not None and info.site.node >= 0 else None


def _has_state(
    machine: Machine, event: TrainingEvent, used: list[TrainingEvent], training: list[TrainingEvent]
) -> bool:
    """Whether anything is lost: a disabled scaler has no state, nor a scheduler that is told the epoch each time."""
    info = _info(machine, event.key)
    if event.role == "optimizer" and info is not None and _is_plain_descent(info):
        return any(one.role == "scheduler" for one in training)  # the rates that it has come to
    if event.role == "scaler":
        return info is None or Const(False) not in (info.keywords.get("enabled"), *info.positional)
    if event.role != "scheduler":
        return True
    if info is not None:
        start = info.keywords.get("last_epoch")
        if start is not None and start != Const(-1):
            return False
    steps = [other for other in used if other.key == event.key]
    if "ReduceLROnPlateau" in class_of(machine, event.key):
        return True
    return not any(step.given for step in steps)


def _is_plain_descent(info: ObjectInfo) -> bool:
    """`SGD(parameters, lr=0.1)`: a step without momentum depends on nothing before it."""
    if not isinstance(info.cls, External) or info.cls.name not in ("torch.optim.SGD", "torch.optim.sgd.SGD"):
        return False
    momentum = info.positional[2] if len(info.positional) > 2 else info.keywords.get("momentum", Const(0))
    return momentum in (Const(0), Const(0.0)) and not {"*", "**"} & info.keywords.keys()


def _has_state_dict(machine: Machine, key: str, role: str) -> bool:
    """Whether the part is of a class of torch or the like, or of one with both methods."""
    info = _info(machine, key)
    if info is None:
        return role == "optimizer"
    if info.kind != "instance" or info.cls is None:
        return info.kind == "foreign"
    own = (classes.attribute(machine, info.cls, name) for name in ("state_dict", "load_state_dict"))
    bases = classes.external_bases(machine, info.cls)
    return all(method is not None for method in own) or any(machine.roles.of_class(base) == role for base in bases)


def held_by(machine: Machine, key: str) -> set[str]:
    """The keys of what an object has as attributes: `ema.ema` of `ema`."""
    match = _OBJECT.fullmatch(key)
    if match is None:
        return set()
    owner = Ref(int(match[1]))
    values = (machine.memory.read(owner.id, name) for name in machine.info(owner).names)
    held = (plain for value in values if value is not None for _, plain in alternatives(value))
    return {key_of(one) for one in held if isinstance(one, Ref) or (isinstance(one, Opaque) and one.fresh)}


def _held_acts(machine: Machine, training: list[TrainingEvent], key: str, act: str) -> bool:
    held = held_by(machine, key)
    return any(event.act == act and event.key in held for event in training)


def _held_is_given_back(machine: Machine, training: list[TrainingEvent], key: str) -> bool:
    return _held_acts(machine, training, key, "load_state_dict")
