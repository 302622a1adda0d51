"""Averaged weights that become the model's own on resume.

    save_model = ema.ema if use_ema else model
    torch.save({"model": save_model.state_dict(), "optimizer": ...}, path)          the average, under the model's name
    ...
    model.load_state_dict(ckpt["model"])                                            the model that is trained

The average is a fine thing to test with. Trained on, it is another point than the one that the optimizer's moments
belong to, and the weights that were trained are gone. A file that holds both is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from ckptlint.analysis.events import ApplyEvent, SaveEvent, TrainingEvent
from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.resume import grouped, held_by, resumes
from ckptlint.analysis.values import Site

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class AveragedAsModel(msgspec.Struct, frozen=True):
    """A state dict of averaged weights: where it is chosen or taken, under which conditions, and who loads it."""

    site: Site
    guard: Guard
    resumed: Site
    written: Site


def averaged_as_model(project: Project) -> Iterator[AveragedAsModel]:
    """Every such state dict, once."""
    by_group = grouped(project.events.training)
    saves, applies = grouped(project.events.saves), grouped(project.events.applies)
    seen: set[Site] = set()
    for group, training in by_group.items():
        averages = _averages(project, training)
        if not averages or group not in saves or group not in applies:
            continue
        for resumed in resumes(project, training, applies[group], "ema"):
            if averages.isdisjoint(resumed.target.split(", ")):
                for save in saves[group]:
                    found = _saved_for(project, save, resumed, training, averages)
                    if found is not None and found.site not in seen:
                        seen.add(found.site)
                        yield found


def _averages(project: Project, training: list[TrainingEvent]) -> frozenset[str]:
    """The keys of averages that are updated in this training, and of the modules that they hold."""
    updated = {event.key for event in training if event.role == "ema" and event.act != "state_dict"}
    return frozenset(updated.union(*(held_by(project.machine, key) for key in updated)))


def _saved_for(
    project: Project, save: SaveEvent, resumed: ApplyEvent, training: list[TrainingEvent], averages: frozenset[str]
) -> AveragedAsModel | None:
    asked = {source.content.entry for source in resumed.sources if source.content is not None}
    taken: dict[Site, list[TrainingEvent]] = {}
    for event in training:
        if event.act == "state_dict" and event.role in ("", "ema"):
            taken.setdefault(event.site, []).append(event)
    origins = {part.content.origin: part.entry for part in save.parts if part.content is not None}
    for origin, entry in origins.items():
        average = next((event for event in taken.get(origin, ()) if event.key in averages), None)
        if average is None or entry not in asked or both(average.guard, resumed.guard) is None:
            continue
        beside = [event for other in origins if other != origin for event in taken.get(other, ())]
        live = {*resumed.target.split(", "), *(event.key for event in taken[origin] if event.key not in averages)}
        if any(event.key in live and both(event.guard, average.guard) is not None for event in beside):
            continue
        site = project.events.chosen.get(origin, origin)
        return AveragedAsModel(site, average.guard, resumed.site, save.site)
    return None
