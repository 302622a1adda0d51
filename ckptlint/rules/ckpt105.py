"""CKPT105."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.aliases import Alias, KeptModel, aliases, kept_models
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import snapshot
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

_USES = {
    "restored": "restored here, without effect",
    "saved": "saved here",
    "returned": "handed back here",
    "loaded elsewhere": "loaded here",
}


class BestStateAlias(Rule):
    """The best weights are kept by reference, and training goes on changing them.

    ## What it does
    Reports `best = model.state_dict()` when the dict is kept while training goes on and is restored, saved or returned
    afterwards. Copies of the dict alone do not help and are reported too: `.copy()`, `dict(...)`, `OrderedDict(...)`, a
    comprehension without `clone()`, `.detach()`, and `.cpu()` where the model may be on the CPU. So is the model itself
    kept as the best one: `best_model = model`. Dicts that are saved or loaded before training goes on are fine.

    ## Why is this bad
    `state_dict()` copies nothing: the dict holds the very tensors that the optimizer updates in place. At the end the
    "best" weights are those of the last step. Nothing is raised; early stopping restores what is there already, and the
    file named `best.pth` holds the last epoch.

    ## Example
    ```python
    for epoch in range(epochs):
        train(model)
        if evaluate(model) > best_accuracy:
            best = model.state_dict()
    model.load_state_dict(best)
    ```

    ## Use instead
    ```python
            best = copy.deepcopy(model.state_dict())
    ```

    ## Fix safety
    The fix copies the tensors: `copy.deepcopy(...)`, or `.clone()` in a comprehension. It is safe for a state dict; the
    copy of a model is unsafe, since not every model can be copied, and its optimizer still belongs to the other one.

    ## References
    - [Saving and loading models](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html): "you must
      serialize best_model_state or use deepcopy"
    """

    code = "CKPT105"
    name = "best-state-alias"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "both"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a place where the weights are kept."""
        for alias in aliases(project.machine):
            yield self._finding(project, alias)
        for kept in kept_models(project.machine):
            yield self._model(project, kept)

    def _finding(self, project: Project, alias: Alias) -> Finding:
        taken = alias.taken
        if taken.moved:
            what = "on a machine without a GPU `.cpu()` copies nothing: this keeps the live weights"
        elif alias.shallow:
            what = "this copies the dict, not its tensors: it keeps the live weights"
        else:
            what = "this keeps the live weights, not a copy"
        ways = {how for how, _ in alias.uses}
        late = "restored" if "restored" in ways else "saved" if "saved" in ways else "used"
        place = project.place(taken.kept)
        related = {
            place_of_use: _USES[how] for how, site in alias.uses[:4] if (place_of_use := project.place(site)) != place
        }
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"{what}: training goes on changing them, so what is {late} later are the weights of the last step, "
                "and nothing says so"
            ),
            severity=Severity.WARNING if taken.moved else self.severity,
            confidence=Confidence.MEDIUM if taken.moved else Confidence.HIGH,
            place=place,
            statement=project.statement(taken.kept),
            related=tuple(sorted(Related(where, text) for where, text in related.items())),
            fix=snapshot.of_state_dict(project, alias),
        )

    def _model(self, project: Project, kept: KeptModel) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"`{kept.name}` is the model itself, not a copy: training goes on changing it, so in the end it has "
                "the weights of the last step, and nothing says so"
            ),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=project.place(kept.site),
            statement=project.statement(kept.site),
            fix=snapshot.of_model(project, kept),
        )
