"""CKPT502."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.schedules import LateScheduler, late_schedulers
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class SchedulerAfterOptimizerLoad(Rule):
    """A learning-rate scheduler is made after the optimizer's state was loaded, and begins its schedule again.

    ## What it does
    Reports a scheduler that is made on an optimizer whose `load_state_dict` came before, unless it is told `last_epoch`
    or gets its own state back. `LinearLR`, `ConstantLR`, `SequentialLR` and `ChainedScheduler` are reported even then:
    making one multiplies the loaded rate once more, and loading the scheduler's state does not undo that.

    ## Why is this bad
    Making a scheduler is its step 0. `LambdaLR`, `OneCycleLR` and `CosineAnnealingWarmRestarts` set the rate back to
    where training once began, warm-up and all; `StepLR` and `CosineAnnealingLR` take the rate that was loaded, small
    already, for their start. Nothing fails.

    ## Example
    ```python
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    ```

    ## Use instead
    ```python
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    ```

    ## Fix safety
    There is no fix. Moving the scheduler above the load is half of it: without its own state it still counts from 0,
    on the rate that was loaded, and older files do not hold that state. Which epoch to give it as `last_epoch`, and
    whether one step is an epoch or a batch, only the author knows.

    ## References
    - [How to adjust the learning rate](https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate)
    """

    code = "CKPT502"
    name = "scheduler-after-optimizer-load"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "none"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load, where the one scheduler is made, or at the load where several are."""
        for late in late_schedulers(project):
            yield self._finding(project, late)

    def _finding(self, project: Project, late: LateScheduler) -> Finding:
        place = project.place(late.site)
        related = {Related(project.place(late.loaded), "the optimizer's state is loaded here")}
        related |= {Related(project.place(site), "the scheduler is made here") for site in late.made[:3]}
        return Finding(
            code=self.code,
            name=self.name,
            message=_message(late),
            severity=self.severity,
            confidence=Confidence.MEDIUM,
            place=place,
            statement=project.statement(late.site),
            related=tuple(sorted(one for one in related if one.place != place)),
        )


def _message(late: LateScheduler) -> str:
    if late.restored:
        return (
            f"the optimizer's state is loaded before {' and '.join(late.names)} is made, which multiplies the loaded "
            "learning rate once more; loading the scheduler's state does not undo that. Make the scheduler first, then "
            "load"
        )
    many = len(late.made) > 1
    subject = "the schedulers are" if many else "the scheduler is"
    begins = "they begin" if many else "it begins"
    return (
        f"{subject} made after the optimizer's state is loaded: {begins} at step 0 again, and the learning rate with "
        "it. Make the scheduler first, then load the optimizer's state and the scheduler's own"
    )
