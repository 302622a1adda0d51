"""The fix of a file that several processes write: the first one writes alone.

It is never safe: others may want a copy on their own disk, and what waits for all processes must not stand inside the
condition. Where tensors are sharded, the state dict itself is such a wait: no fix.
"""

from __future__ import annotations

from ckptlint.analysis.solve import Project
from ckptlint.analysis.writers import SharedWrite
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.shapes import guarded

_SHARDED = ("FullyShardedDataParallel", "fully_shard", "DeepSpeedEngine", "fairscale ShardedDataParallel")


def fix(project: Project, write: SharedWrite) -> Fix | None:
    """The fix of one save, None where the code does not allow it."""
    if write.by in _SHARDED or write.foreign_group:
        return None
    if write.test is not None and not write.test.holds:
        return None
    site = write.test.site if write.test is not None else write.site
    file = project.derived(Sources)[site.file]
    if file is None:
        return None
    condition, imports = guarded.first_process(file, may_be_alone=write.may_be_alone)
    if write.test is not None:
        edits = guarded.test_narrowed(file, project.place(site).span, condition)
    else:
        edits = guarded.statement_under(file, project.statement(site), condition)
    if edits is None:
        return None
    return Fix(Applicability.UNSAFE, "let the first process write alone", tuple(sorted((*edits, *imports))))
