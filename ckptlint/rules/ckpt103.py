"""CKPT103."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.pickled import WholeModule, whole_modules
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import whole_module
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class WholeModelSave(Rule):
    """The model object itself is pickled, not its state dict.

    ## What it does
    Reports `torch.save(model, path)`, and a model among the entries of what is saved. Savers that take the state dict
    of a model themselves (Lightning Fabric) are not reported, nor are copies that never reach a file (`io.BytesIO`).

    ## Why is this bad
    Pickle writes down the name of the class and the module that it stands in, not its code. Rename the class, move the
    file, load from another folder, and reading ends with `ModuleNotFoundError` or `Can't get attribute 'Net'`; change
    `forward`, and old files come to life as something else. Since torch 2.6 `torch.load` refuses such a file:
    `Weights only load failed. ... Unsupported global: GLOBAL model.Net`. If the model is wrapped, the wrapper is in the
    file too.

    ## Example
    ```python
    torch.save(model, "model.pth")
    ```

    ## Use instead
    ```python
    torch.save(model.state_dict(), "model.pth")
    ...
    model = Net()
    model.load_state_dict(torch.load("model.pth"))
    ```

    ## Fix safety
    The fix saves the state dict. It is unsafe: whoever reads the file has to build the model first. No fix is offered
    where a load in the project is seen to take the model out of the file.

    ## References
    - [Saving and loading models](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html)
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html): weights_only
    """

    code = "CKPT103"
    name = "whole-model-save"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a save, or a dict that is saved."""
        for whole in whole_modules(project.machine, project.events.saves):
            yield self._finding(project, whole)

    def _finding(self, project: Project, whole: WholeModule) -> Finding:
        names = [f'"{entry}"' for entry in whole.entries if entry]
        what = f"the entry {names[0]} holds the model itself" if names else "this saves the model itself"
        if len(names) > 1:
            what = f"the entries {', '.join(names[:-1])} and {names[-1]} hold the models themselves"
        place = project.place(whole.sites[0])
        save = project.place(whole.save)
        related = [Related(project.place(site), "and this one") for site in whole.sites[1:4]]
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"{what}, not the state dict: the file can be read only where the same class stands in the same "
                "module, and since torch 2.6 torch.load refuses it: Weights only load failed"
            ),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=place,
            statement=project.statement(whole.sites[0]),
            related=tuple(sorted([*related, *([Related(save, "saved here")] if save != place else [])])),
            fix=whole_module.fix(project, whole),
        )
