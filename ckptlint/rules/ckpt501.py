"""CKPT501."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.resume import Forgotten, forgotten
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import resume_state
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class IncompleteResume(Rule):
    """Training is resumed without the state of its optimizer, scheduler, gradient scaler or averaged weights.

    ## What it does
    Looks at training code that resumes: it loads the model's weights and goes on counting from the epoch, step or best
    metric in the same file. Reports what such code trains with and does not save, or saves and does not load: the
    optimizer, the learning-rate scheduler, the GradScaler, an EMA. Scripts that load weights to fine-tune or to test
    are not meant; neither are schedulers that are told the epoch in each step, or that are made with `last_epoch`.

    ## Why is this bad
    Nothing fails. Adam starts with empty moments, momentum is zero, the scheduler begins its warm-up again, the scaler
    its search for a scale: the loss jumps after each restart, and a run that was interrupted twice is not the run that
    was planned.

    ## Example
    ```python
    torch.save({"model": model.state_dict(), "epoch": epoch}, path)
    ```

    ## Use instead
    ```python
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "epoch": epoch,
        },
        path,
    )
    ```
    and, where training is resumed, `optimizer.load_state_dict(checkpoint["optimizer"])` and so on.

    ## Fix safety
    The fix adds one missing entry to the dict that is saved, and its load where training is resumed, if the dict is
    written down in the same file and the part has a name at both places. It is unsafe: the resumed run is another one.

    ## References
    - [Saving a general checkpoint](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training)
    - [GradScaler.state_dict](https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.state_dict)
    """

    code = "CKPT501"
    name = "incomplete-resume"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a place, for all that is missing there."""
        by_site: dict[object, list[Forgotten]] = {}
        for one in forgotten(project):
            by_site.setdefault((one.site, one.saved), []).append(one)
        for group in by_site.values():
            yield self._finding(project, group)

    def _finding(self, project: Project, group: list[Forgotten]) -> Finding:
        first = group[0]
        place = project.place(first.site)
        related = {Related(project.place(first.resumed), "training is resumed here")}
        related |= {
            Related(project.place(one.made), f"the {_NAMES[one.role]} is made here") for one in group if one.made
        }
        return Finding(
            code=self.code,
            name=self.name,
            message=_message(group),
            severity=self.severity,
            confidence=Confidence.MEDIUM,
            place=place,
            statement=project.statement(first.site),
            related=tuple(sorted(one for one in related if one.place != place)),
            fix=resume_state.fix(project, group),
        )


_NAMES = {"optimizer": "optimizer", "scheduler": "scheduler", "scaler": "GradScaler", "ema": "EMA"}
_HARM = {
    "optimizer": "its moments and step counts start from nothing, and the loss jumps",
    "scheduler": "it begins again at its first step, and so does the learning rate",
    "scaler": "it looks for a scale again, and skips steps until it has one",
    "ema": "the averaged weights start again from the current ones",
}


def _message(group: list[Forgotten]) -> str:
    names = " and ".join(f"the {_NAMES[one.role]}" for one in group)
    is_are, its = ("is", "its") if len(group) == 1 else ("are", "their")
    harm = "; ".join(dict.fromkeys(_HARM[one.role] for one in group))
    if group[0].saved:
        return (
            f"training is resumed here, but {names} {is_are} not given back {its} state, though it is saved: after "
            f"each restart {harm}"
        )
    if group[0].role in ("scaler", "ema") or group[0].written is None:
        return f"training can be resumed, but the state of {names} {is_are} never saved: after each restart {harm}"
    return f"training is resumed from this file, but the state of {names} is not in it: after each restart {harm}"
