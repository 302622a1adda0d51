"""CKPT107."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from ckptlint.analysis.values import Site
from ckptlint.analysis.writers import SharedWrite, shared_writes
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import first_process
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class EveryRankSave(Rule):
    """In a distributed run, several processes write the same checkpoint file at the same time.

    ## What it does
    Reports a save that every process of a distributed run gets to, and one that is kept to `local_rank == 0`, which
    lets one process of each machine write. A run is distributed when a module is wrapped in DistributedDataParallel or
    the like, or when a process group is joined. Files with the rank in their name, buffers in memory, and calls that
    let one process write by themselves (`Accelerator.save`, `xm.save`) are fine.

    ## Why is this bad
    All of them open the same path and write over each other. The file may be torn, and loading it fails:
    `PytorchStreamReader failed reading zip archive: failed finding central directory`. It works for weeks, and fails
    when a node is slow or the disk is shared over a network.

    ## Example
    ```python
    model = DistributedDataParallel(model, device_ids=[local_rank])
    ...
    torch.save(model.module.state_dict(), "last.pth")
    ```

    ## Use instead
    ```python
    if torch.distributed.get_rank() == 0:
        torch.save(model.module.state_dict(), "last.pth")
    ```

    ## Fix safety
    The fix lets the first process write alone. It is unsafe: a program may want one copy on each machine's own disk,
    and code that waits for all processes must not be inside the condition.

    ## References
    - [Saving with DistributedDataParallel](https://docs.pytorch.org/tutorials/intermediate/ddp_tutorial.html#save-and-load-checkpoints)
    - [torchrun: RANK and LOCAL_RANK](https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables)
    """

    code = "CKPT107"
    name = "every-rank-save"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a save; where a condition is at fault, there."""
        groups: dict[Site, list[SharedWrite]] = {}
        for write in shared_writes(project):
            at_fault = write.site if write.test is None else write.test.site
            groups.setdefault(at_fault, []).append(write)
        for group in groups.values():
            yield self._finding(project, group)

    def _finding(self, project: Project, group: list[SharedWrite]) -> Finding:
        write = max(group, key=attrgetter("every"))
        test = write.test
        site = test.site if test is not None else write.site
        related = [Related(project.place(write.because), f"wrapped in {write.by} here" if write.by else "joined here")]
        if test is not None:
            related += [Related(project.place(one.site), "written to the file here") for one in group]
        return Finding(
            code=self.code,
            name=self.name,
            message=(_EVERY_TESTED if test is not None else _EVERY) if write.every else _EACH_MACHINE,
            severity=self.severity if write.every else Severity.WARNING,
            confidence=Confidence.HIGH if write.every else Confidence.MEDIUM,
            place=project.place(site),
            statement=project.statement(site),
            related=tuple(sorted(set(related))),
            fix=first_process.fix(project, write),
        )


_EVERY = (
    "every process of a distributed run writes this file at the same time; a torn file can't be loaded: "
    "PytorchStreamReader failed reading zip archive: failed finding central directory. Let one write: "
    "`if torch.distributed.get_rank() == 0:`"
)
_EVERY_TESTED = (
    "this condition lets every process of a distributed run through in some way to launch it: they write the same file "
    "at the same time, and a torn file can't be loaded: PytorchStreamReader failed reading zip archive: failed finding "
    "central directory. Ask for the global rank: `torch.distributed.get_rank() == 0`"
)
_EACH_MACHINE = (
    "one process of each machine gets through here: on several machines with a shared disk they write the same file at "
    "the same time, and a torn file can't be loaded: PytorchStreamReader failed reading zip archive: failed finding "
    "central directory. Ask for the global rank: `torch.distributed.get_rank() == 0`"
)
