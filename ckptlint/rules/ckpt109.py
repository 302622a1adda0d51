"""CKPT109."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.overwritten import Overwritten, overwritten
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import atomic_save
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class NonAtomicSave(Rule):
    """The last checkpoint is overwritten in place, so that a crash while writing leaves none.

    ## What it does
    Reports a save of a checkpoint that is made again and again under one name. Names with an epoch, a step or a time in
    them are not reported, nor are files that are written under a name of their own and then put in place
    (`os.replace`). The rule is off unless it is selected.

    ## Why is this bad
    `torch.save` opens the file, which empties it, and writes for seconds. If the job is killed, the disk is full or the
    machine goes down in that time, the old checkpoint is gone and the new one is not complete:
    `PytorchStreamReader failed reading zip archive: failed finding central directory`. Clusters stop jobs at any time.

    ## Example
    ```python
    torch.save(state, "last.pth")
    ```

    ## Use instead
    ```python
    torch.save(state, "last.pth.tmp")
    os.replace("last.pth.tmp", "last.pth")
    ```

    ## Fix safety
    The fix writes beside the file and renames. It is unsafe: it needs room for two files, and what watches the folder
    sees another one.

    ## References
    - [os.replace](https://docs.python.org/3/library/os.html#os.replace)
    """

    code = "CKPT109"
    name = "non-atomic-save"
    since = "0.1.0"
    severity = Severity.INFO
    fixable = "unsafe"
    default = False

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a save."""
        for save in overwritten(project.machine):
            yield self._finding(project, save)

    def _finding(self, project: Project, save: Overwritten) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"each save overwrites `{save.name}` in place: if the job is killed while it writes, the old "
                "checkpoint is gone and the new one is not complete"
            ),
            severity=self.severity,
            confidence=Confidence.MEDIUM,
            place=project.place(save.site),
            statement=project.statement(save.site),
            fix=atomic_save.fix(project, save.site),
        )
