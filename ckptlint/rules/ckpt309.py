"""CKPT309."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.events import SlipEvent
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import load_arguments
from ckptlint.rules import slips
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class PathAsStateDict(Rule):
    """A path is given to `load_state_dict`, which wants what stands in the file.

    ## What it does
    Reports `load_state_dict(...)` whose argument is a text.

    ## Why is this bad
    Nothing is read from a file: `TypeError: Expected state_dict to be dict-like, got <class 'str'>.`

    ## Example
    ```python
    model.load_state_dict("best.pth")
    ```

    ## Use instead
    ```python
    model.load_state_dict(torch.load("best.pth", map_location="cpu"))
    ```

    ## Fix safety
    The fix reads the file with `torch.load`. It is unsafe: the state dict may be an entry of what the file holds.

    ## References
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html)
    """

    code = "CKPT309"
    name = "path-as-state-dict"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        for slip in slips.of_kind(project, "path"):
            yield self._finding(project, slip)

    def _finding(self, project: Project, slip: SlipEvent) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                "`load_state_dict` is given a path here, and reads no file: "
                "TypeError: Expected state_dict to be dict-like, got <class 'str'>."
            ),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=project.place(slip.site),
            statement=project.statement(slip.site),
            fix=load_arguments.read_first(project, slip),
        )
