"""The fix of CKPT101, CKPT102 and CKPT301: the writers and readers of a contract group change together.

1. Every place of the group where a state dict with a prefix is taken gets its model unwrapped.
2. Every load of the group that would not take all files, those written before and those written afterwards, takes the
   prefixes off and loads into the unwrapped model.
3. A load that can't be changed and would break ends it: there is no fix. Whatever else can't be changed, or may be
   given the file without our knowing, makes the fix unsafe, and its message says where.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.edit import conflict
from ckptlint.fixes.mending import obstacles, reader, writer
from ckptlint.fixes.mending.arrival import breaks, copes
from ckptlint.fixes.mending.group import Group, places
from ckptlint.fixes.shapes.reader import Declined

_MOST_NAMED = 3


def fix(project: Project, site: Site) -> Fix | None:
    """The fix for the finding at a place where a state dict is taken or loaded."""
    group = project.derived(places).groups.get(site)
    return project.derived(Mended).of(group, site) if group is not None else None


class Mended:
    """The fixes of a project by group, each made once."""

    def __init__(self, project: Project) -> None:
        """Use `project.derived(Mended)`."""
        self._project = project
        self._fixes: dict[Group, tuple[Fix | None, frozenset[Site]]] = {}

    def of(self, group: Group, site: Site) -> Fix | None:
        """The fix of a group, when it mends what is wrong at `site`."""
        if group not in self._fixes:
            self._fixes[group] = _of_group(self._project, group)
        found, solved = self._fixes[group]
        return found if site in solved else None


def _of_group(project: Project, group: Group) -> tuple[Fix | None, frozenset[Site]]:
    nothing: tuple[Fix | None, frozenset[Site]] = (None, frozenset())
    all_places = project.derived(places)
    edits: dict[Edit, None] = {}
    left: list[str] = []
    unwrapped: list[Site] = []
    for origin in group.origins:
        if writer.is_kept(all_places, origin):
            return nothing
        if not writer.is_prefixed(all_places, origin):
            continue
        bare = writer.bare(project, origin)
        if isinstance(bare, Declined):
            left.append(f"{_where(project, origin)} ({bare.reason})")
        elif bare:
            unwrapped.append(origin)
            edits.update(dict.fromkeys(bare))
    taken = frozenset(unwrapped)
    changed: list[Site] = []
    solved: set[Site] = set(taken)
    for site in group.readers:
        before, after = reader.arrivals(all_places, site, frozenset()), reader.arrivals(all_places, site, taken)
        # What is mended together must work together, with the fixes of CKPT305 and CKPT307 and without.
        exact = reader.exactly(after)
        mended = reader.mended(project, site, after + exact) if not copes(after + exact) else ()
        if copes(after) and (not mended or isinstance(mended, Declined)):
            solved.add(site)
        elif not isinstance(mended, Declined):
            changed.append(site)
            solved.add(site)
            edits.update(dict.fromkeys(mended))
            if any(arrival.works is None for arrival in after):
                left.append(f"{_where(project, site)} (it is not known which model is loaded)")
        elif breaks(before, after) or reader.leaves_out(all_places, site, taken):
            return nothing
        else:
            left.append(f"{_where(project, site)} ({mended.reason})")
    if not edits or any(conflict(one, other) for one, other in combinations(edits, 2)):
        return nothing
    left += obstacles.of_writers(project, taken, frozenset(group.readers))
    solved = {site for site in solved if not reader.differs_inside(project, site)}
    return _fix(project, unwrapped, changed, edits, left), frozenset(solved)


def _fix(
    project: Project, writers: Sequence[Site], readers: Sequence[Site], edits: dict[Edit, None], left: list[str]
) -> Fix:
    said: list[str] = []
    if writers:
        said.append(f"save the model without its wrapper ({_places(project, writers)})")
    if readers:
        said.append(
            f"load files with and without the prefix, into a bare or a wrapped model ({_places(project, readers)})"
        )
    message = " and ".join(said)
    names = sorted(dict.fromkeys(left))
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        message += f"; check by hand: {', '.join(names[:_MOST_NAMED])}{more}"
    return Fix(Applicability.UNSAFE if names else Applicability.SAFE, message, tuple(sorted(edits)))


def _places(project: Project, sites: Sequence[Site]) -> str:
    names = sorted({_where(project, site) for site in sites})
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _where(project: Project, site: Site) -> str:
    return f"{site.file}:{project.place(site).span.start.row}"
