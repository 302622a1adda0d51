"""CKPT504."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.averaged import averaged_as_model
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class EmaAsModel(Rule):
    """The file holds the averaged weights alone, and on resume they become the weights that are trained.

    ## What it does
    Reports a checkpoint in which the entry that resuming code loads into the model holds the state dict of its EMA,
    while the model's own weights are not in the file.

    ## Why is this bad
    The average lags behind the model. After a restart training goes on from it, with an optimizer whose moments belong
    to other weights, and the EMA starts again as an average of the average. The loss jumps, and the weights that were
    trained so far are gone.

    ## Example
    ```python
    save_model = ema.ema if use_ema else model
    torch.save({"model": save_model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    ```

    ## Use instead
    ```python
    torch.save({"model": model.state_dict(), "ema": ema.ema.state_dict(), "optimizer": optimizer.state_dict()}, path)
    ```
    and load both on resume.

    ## Fix safety
    There is no fix: whoever reads the file to test or to deploy wants the average.

    ## References
    - [Weight averaging](https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema)
    """

    code = "CKPT504"
    name = "ema-as-model"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "none"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding where the average is chosen, or its state dict taken."""
        for found in averaged_as_model(project):
            place = project.place(found.site)
            related = {
                Related(project.place(found.written), "written to the file here"),
                Related(project.place(found.resumed), "loaded into the model that is trained here"),
            }
            yield Finding(
                code=self.code,
                name=self.name,
                message=(
                    "the file holds the averaged weights in place of the model's own: after a resume training goes on "
                    "from the average, and the weights that were trained are lost. Save both, and load both"
                ),
                severity=self.severity,
                confidence=Confidence.MEDIUM,
                place=place,
                statement=project.statement(found.site),
                related=tuple(sorted(one for one in related if one.place != place)),
            )
