"""The fix of a load of a file from outside: take the prefix of DataParallel off, load into the unwrapped model.

It is never safe: what the file holds is not known.
"""

from __future__ import annotations

from ckptlint.analysis.solve import Project
from ckptlint.analysis.unverified import TRIED, Unverified
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending import reader
from ckptlint.fixes.shapes.reader import Declined


def fix(project: Project, load: Unverified) -> Fix | None:
    """The fix, None when the load can't be changed."""
    found = [
        arrival
        for event in load.readers
        for prefix in TRIED
        for arrival in reader.given(event, set(load.files), prefix, is_new=False)
    ]
    edits = reader.mended(project, load.site, found) if found else Declined("nothing is known of the file")
    if isinstance(edits, Declined):
        return None
    return Fix(Applicability.UNSAFE, "load files with and without the prefix `module.`", tuple(sorted(edits)))
