"""What may stop working when a writer changes, and cannot be changed with it. It makes a fix unsafe.

- A load that may be given the file, though little speaks for it, and that would not take it any more.
- A file that is read for something else than a load into a model.
- A load that was never run: nobody calls it, or the run could not follow.
- A notebook, or a file that cannot be read, with a load in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ckptlint.analysis.events import LoadEvent, SaveEvent
from ckptlint.analysis.pairs import may_meet, same_file
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.fixes.mending.arrival import breaks, given
from ckptlint.fixes.mending.group import places
from ckptlint.fixes.mending.sources import Sources
from ckptlint.source import UnreadableSource

_LOADS = re.compile(rb"\.load_state_dict\b|\btorch\.load\b|\bload_file\b")
_NO_MODEL = re.compile(r"optim|sched|scaler|meter|sampler|loader|amp\b", re.IGNORECASE)
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})


def of_writers(project: Project, origins: frozenset[Site], readers: frozenset[Site]) -> Iterator[str]:
    """What stands against unwrapping the model at `origins`; the loads at `readers` are taken care of."""
    all_places = project.derived(places)
    saves = {id(save): save for origin in origins for save, _, _ in all_places.saved.get(origin, ())}
    if not saves:
        return
    outside = project.derived(_from_outside)
    for load in project.events.loads:
        if load.file and load.file not in outside:
            for save in saves.values():
                yield from _of_load(project, load, save, origins, readers)
    yield from project.derived(not_followed)


def _of_load(
    project: Project, load: LoadEvent, save: SaveEvent, origins: frozenset[Site], readers: frozenset[Site]
) -> Iterator[str]:
    if not same_file(load, save):
        return
    applied = [
        event
        for event in project.events.applies
        if any(source.content is not None and source.content.file == load.file for source in event.sources)
    ]
    if not applied and not _other_entries(project, load, save):
        yield f"{_where(project, load.site)} (the file may be read here for something else)"
    for event in applied:
        if event.site in readers or not may_meet(event, load, save):
            continue
        parts = [part for part in save.parts if part.content is not None and part.content.origin in origins]
        for part in parts:
            assert part.content is not None
            now = list(given(event, load.file, part.entry, part.content.prefix, is_new=False))
            then = list(given(event, load.file, part.entry, "", is_new=True))
            if breaks(now, then) or any(arrival.works is None for arrival in now):
                yield f"{_where(project, event.site)} (this load may be given the file)"


def _other_entries(project: Project, load: LoadEvent, save: SaveEvent) -> bool:
    """Whether only such entries of the file are asked for that hold no state dict."""
    asked = project.derived(asked_entries).get(load.file, frozenset())
    held = {part.entry[0] if part.entry else "" for part in save.parts if part.content is not None}
    return bool(asked) and "" not in held and not asked & held


def asked_entries(project: Project) -> dict[int, frozenset[str]]:
    """The entries that are asked for, by the number of the file."""
    found: dict[int, frozenset[str]] = {}
    for info in project.machine.objects.values():
        if info.kind == "file" and info.file is not None and not info.entry:
            found[info.file] = found.get(info.file, frozenset()) | info.names.keys()
    return found


def _from_outside(project: Project) -> frozenset[int]:
    """The numbers of files that come from elsewhere."""
    files = (info for info in project.machine.objects.values() if info.kind == "file" and info.foreign)
    return frozenset(info.file for info in files if info.file is not None)


def not_followed(project: Project) -> tuple[str, ...]:
    """Loads of the project that were never run, notebooks and unreadable files with loads."""
    seen = {event.site for event in project.events.applies} | {event.site for event in project.events.loads}
    by_unit: dict[tuple[str, int], int] = {}
    for site in seen:
        by_unit[site.file, site.unit] = by_unit.get((site.file, site.unit), 0) + 1
    found: list[str] = []
    for path in sorted(project.store.files):
        try:
            data = project.store.data(path)
        except UnreadableSource:
            continue
        if _LOADS.search(data) is not None:
            found += _in_file(project, path, by_unit, seen)
    found += [f"{notebook} (a notebook that loads a file)" for notebook in _notebooks(project.store.root)]
    return tuple(found)


def _in_file(project: Project, path: str, by_unit: dict[tuple[str, int], int], seen: set[Site]) -> Iterator[str]:
    file = project.derived(Sources)[path]
    if file is None:
        yield f"{path} (it cannot be read)"
        return
    rows: dict[int, list[int]] = {}
    headers = project.store.headers(path)
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and _is_load(node):
            units = [unit for unit in headers if unit.index and unit.first_row <= node.lineno <= unit.last_row]
            unit = max(units, key=lambda unit: unit.first_row).index if units else 0
            rows.setdefault(unit, []).append(node.lineno)
    for unit, found in sorted(rows.items()):
        if len(found) <= by_unit.get((path, unit), 0):
            continue
        sites = [site for site in seen if (site.file, site.unit) == (path, unit)]
        known = {project.place(site).span.start.row for site in sites}
        for row in sorted(set(found) - known):
            yield f"{path}:{row} (this load could not be followed)"


def _is_load(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value)
    if call.func.attr == "load_state_dict":
        return not owner.startswith("super(") and _NO_MODEL.search(owner.rpartition(".")[2]) is None
    return call.func.attr == "load" and owner in ("torch", "th")


def _notebooks(root: Path) -> list[str]:
    found: list[str] = []
    stack = [root]
    while stack:
        try:
            children = sorted(stack.pop().iterdir())
        except OSError:
            continue
        for child in children:
            if child.is_symlink() or child.name.startswith(".") or child.name in _NOT_SEARCHED:
                continue
            if child.is_dir():
                stack.append(child)
            elif child.suffix == ".ipynb" and _LOADS.search(child.read_bytes()) is not None:
                found.append(child.relative_to(root).as_posix())
    return sorted(found)


def _where(project: Project, site: Site) -> str:
    return f"{site.file}:{project.place(site).span.start.row}"
