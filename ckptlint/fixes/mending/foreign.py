"""The fix of a load of a file from outside: take the prefix of DataParallel off, load into the unwrapped model.

It is never safe: what the file holds is not known.
"""

from __future__ import annotations

from ckptlint.analysis.guards import both
from ckptlint.analysis.solve import Project
from ckptlint.analysis.unverified import TRIED, Unverified
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending import reader
from ckptlint.fixes.mending.arrival import Arrival
from ckptlint.fixes.shapes.reader import Declined


def fix(project: Project, load: Unverified) -> Fix | None:
    """The fix, None when the load can't be changed."""
    found = [
        Arrival(content.assumed, content, target.shape, is_new=False)
        for event in load.readers
        for source in event.sources
        if (content := source.content) is not None and content.assumed in TRIED
        for target in event.targets
        if both(source.guard, target.guard) is not None
    ]
    edits = reader.mended(project, load.site, found) if found else Declined("nothing is known of the file")
    if isinstance(edits, Declined):
        return None
    return Fix(Applicability.UNSAFE, "load files with and without the prefix `module.`", tuple(sorted(edits)))
