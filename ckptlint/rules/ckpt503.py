"""CKPT503."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.schedules import lost_parameters
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import assign
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class AssignAfterOptimizer(Rule):
    """`load_state_dict(assign=True)` gives the model new parameters, and the optimizer goes on with the old ones.

    ## What it does
    Reports `model.load_state_dict(..., assign=True)` after an optimizer was made of the model's parameters, if that
    optimizer is stepped later and not made again.

    ## Why is this bad
    `assign=True` puts the tensors of the file in the place of the model's own. The optimizer holds the tensors that
    were there before: it steps them, and the model never changes. The loss stays where it is, and nothing fails.

    ## Example
    ```python
    optimizer = torch.optim.Adam(model.parameters())
    model.load_state_dict(torch.load(path), assign=True)
    ```

    ## Use instead
    ```python
    model.load_state_dict(torch.load(path), assign=True)
    optimizer = torch.optim.Adam(model.parameters())
    ```

    ## Fix safety
    The fix leaves out `assign=True`. It is unsafe: a model on the meta device has no memory to copy into.

    ## References
    - [Module.load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict)
    """

    code = "CKPT503"
    name = "assign-after-optimizer"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        for lost in lost_parameters(project):
            yield Finding(
                code=self.code,
                name=self.name,
                message=(
                    "assign=True gives the model new parameters, but the optimizer was made of the old ones: its steps "
                    "change tensors that the model no longer has, and training does nothing. Load before the optimizer "
                    "is made, or leave out assign=True"
                ),
                severity=self.severity,
                confidence=Confidence.HIGH,
                place=project.place(lost.site),
                statement=project.statement(lost.site),
                related=(Related(project.place(lost.optimizer), "the optimizer takes the parameters here"),),
                fix=assign.fix(project, lost.site),
            )
