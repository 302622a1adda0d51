"""CKPT201."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.saved import LeakedLoss, leaked_losses
from ckptlint.analysis.words import condition, key_list
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import loss
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class CriterionInStateDict(Rule):
    """A loss with state is registered on a model that is saved, so its tensors end up in the checkpoint.

    ## What it does
    Reports the line that makes a loss a child of a saved model, when the loss carries tensors that are not learned: a
    class weight, a `pos_weight`, a buffer. Losses without state, losses kept in plain objects, and learnable losses are
    not reported.

    ## Why is this bad
    Assigning a loss to an attribute of a module registers it. `nn.CrossEntropyLoss(weight=w)` keeps `w` as a buffer, so
    the file has `criterion.weight`. A model built without the weight, for testing or fine-tuning, cannot load it:
    `Unexpected key(s) in state_dict: "criterion.weight"`; with another number of classes it fails with a size mismatch.

    ## Example
    ```python
    class Net(nn.Module):
        def __init__(self, class_weight=None):
            super().__init__()
            self.criterion = nn.CrossEntropyLoss(weight=class_weight)
    ```

    ## Use instead
    Keep the loss out of the model, or keep its weight out of the state dict:
    ```python
            self.criterion = nn.CrossEntropyLoss()
            self.criterion.register_buffer("weight", class_weight, persistent=False)
    ```

    ## Fix safety
    The fix makes the weight a non-persistent buffer, and lets the model drop the key from older files. It is offered
    only where the weight is built again at construction.

    ## References
    - [torch.nn.Module.register_buffer](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html)
    """

    code = "CKPT201"
    name = "criterion-in-state-dict"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "both"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a registration."""
        for leak in leaked_losses(project.events.saves):
            yield self._finding(project, leak)

    def _finding(self, project: Project, leak: LeakedLoss) -> Finding:
        place = project.place(leak.site)
        when = condition(leak.yes, leak.no) if leak.no else ""
        start = f"when {when}, " if when else ("when it is given a weight, " if leak.maybe or leak.no else "")
        by = f" ({leak.by} saves the model)" if leak.by else ""
        message = (
            f"{start}this loss puts its tensors into the state dict of the model that is saved{by}; a model built "
            f"without them cannot load the file: Unexpected key(s) in state_dict: {key_list(leak.keys)}"
        )
        related = [Related(project.place(site), "the model is saved here") for site in leak.saves[:2] if not leak.by]
        if leak.source is not None:
            related.append(Related(project.place(leak.source), "the loss is made here"))
        return Finding(
            code=self.code,
            name=self.name,
            message=message,
            severity=self.severity,
            confidence=Confidence.MEDIUM if leak.maybe else Confidence.HIGH,
            place=place,
            statement=project.statement(leak.site),
            related=tuple(sorted({one.place: one for one in related if one.place != place}.values())),
            fix=loss.fix(project, leak),
        )
