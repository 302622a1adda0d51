"""What is made too late or too early around a resume.

    optimizer.load_state_dict(ckpt["optimizer"])            the rate that training had come to
    scheduler = CosineAnnealingLR(optimizer, epochs)        begins its schedule again, on whatever rate it finds

    optimizer = Adam(model.parameters())                    holds the parameters of the model as it is now
    model.load_state_dict(weights, assign=True)             the model has new ones: the optimizer steps the old

Both are read off the order of events within one entry, see `events.Moment`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from ckptlint.analysis.events import ApplyEvent, TrainingEvent
from ckptlint.analysis.guards import both
from ckptlint.analysis.training import class_of
from ckptlint.analysis.values import Ref, Site, alternatives

if TYPE_CHECKING:
    from ckptlint.analysis.machine import Machine
    from ckptlint.analysis.solve import Project


class LateScheduler(msgspec.Struct, frozen=True):
    """Schedulers that are made after their optimizer's state was loaded, and where to say so.

    `loaded` is the load, `made` the schedulers. `restored`: they are given their own state later, which does not help.
    """

    site: Site
    loaded: Site
    made: tuple[Site, ...]
    names: tuple[str, ...]
    restored: bool


def late_schedulers(project: Project) -> Iterator[LateScheduler]:
    """One for each load of an optimizer that schedulers follow."""
    by_entry: dict[int, list[TrainingEvent]] = {}
    for event in project.events.training:
        by_entry.setdefault(event.at.entry, []).append(event)
    seen: set[Site] = set()
    for training in by_entry.values():
        loads = [event for event in training if event.act == "load_state_dict" and event.role == "optimizer"]
        for load in loads:
            late = [
                event
                for event in training
                if event.act == "made" and event.role == "scheduler" and load.key in event.of
                if event.at.number > load.at.number and both(event.guard, load.guard) is not None
                if not _starts_right(project.machine, event, training)
            ]
            if late and load.site not in seen:
                seen.add(load.site)
                yield _late(project.machine, load, late, training)


def _late(
    machine: Machine, load: TrainingEvent, late: list[TrainingEvent], training: list[TrainingEvent]
) -> LateScheduler:
    meeting = {_where_paths_part(load, one) for one in late}
    site = meeting.pop()[1] if len(meeting) == 1 else load.site
    names = tuple(dict.fromkeys(class_of(machine, one.key) for one in late))
    restored = all(_is_restored(one, training) for one in late)
    return LateScheduler(site, load.site, tuple(dict.fromkeys(one.site for one in late)), names, restored)


def _where_paths_part(load: TrainingEvent, made: TrainingEvent) -> tuple[Site, Site]:
    """In the innermost function that leads to both: the place that leads to the load, and that of the scheduler."""
    for one, other in zip((*load.stack, load.site), (*made.stack, made.site), strict=False):
        if one != other:
            return one, other
    return load.site, made.site


def _starts_right(machine: Machine, made: TrainingEvent, training: list[TrainingEvent]) -> bool:
    """Whether the scheduler goes on where it was: told by `last_epoch`, by its own state, or by hand."""
    rates, name = machine.knowledge.rates, class_of(machine, made.key)
    if made.given or any(word in name for word in rates.harmless) or _at_the_very_start(made):
        return True
    if any(event.act == "last_epoch" and event.key == made.key for event in training):
        return True
    return _is_restored(made, training) and name not in rates.stays_wrong


def _at_the_very_start(made: TrainingEvent) -> bool:
    """`if epoch == 0: warmup = LinearLR(...)`: a schedule of its own, which a resumed run does not come to."""
    return any(literal.op == "==" and literal.constant == 0 and not literal.negated for literal in made.guard)


def _is_restored(made: TrainingEvent, training: list[TrainingEvent]) -> bool:
    return any(
        event.act == "load_state_dict" and event.role == "scheduler" and event.at.number > made.at.number
        for event in training
    )


class LostParameters(msgspec.Struct, frozen=True):
    """A load that gives a model new parameters after the optimizer took the old ones."""

    site: Site
    optimizer: Site


def lost_parameters(project: Project) -> Iterator[LostParameters]:
    """Every such load after which the optimizer is used."""
    machine, training = project.machine, project.events.training
    seen: set[Site] = set()
    for apply in project.events.applies:
        if not apply.assign or apply.site in seen:
            continue
        optimizer = _optimizer_before(machine, apply, training)
        if optimizer is not None:
            seen.add(apply.site)
            yield LostParameters(apply.site, optimizer.site)


def _optimizer_before(machine: Machine, apply: ApplyEvent, training: list[TrainingEvent]) -> TrainingEvent | None:
    """The optimizer that was made of the model before, is stepped after, and is not made again in between."""
    own = _inside(machine, apply.target.split(", "))
    ours = [
        event
        for event in training
        if event.role == "optimizer" and event.at.entry == apply.at.entry
        if both(event.guard, apply.guard) is not None
    ]
    made = [event for event in ours if event.act == "made" and event.of & own]
    before = [event for event in made if event.at.number < apply.at.number]
    steps = [event for event in ours if event.act == "step" and event.at.number > apply.at.number]
    return next((event for event in before if any(step.key == event.key for step in steps)), None)


def _inside(machine: Machine, keys: list[str]) -> frozenset[str]:
    """The modules, and what is wrapped in them."""
    found: set[str] = set()
    left = [key for key in keys if key.startswith("<object ")]
    while left:
        key = left.pop()
        if key in found or not key[len("<object ") : -1].isdigit():
            continue
        found.add(key)
        ref = Ref(int(key[len("<object ") : -1]))
        info = machine.info(ref)
        if info.wrapper is not None:
            inner = machine.memory.read(ref.id, info.token or "module")
            left += [f"<object {one.id}>" for _, one in alternatives(inner) if isinstance(one, Ref)] if inner else []
    return frozenset(found)
