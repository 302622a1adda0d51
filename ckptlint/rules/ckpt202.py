"""CKPT202."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.unregistered import Hidden, hidden_modules
from ckptlint.analysis.words import key_list
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import container
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


_ASKED = {
    "taken": "the state dict is taken here",
    "loaded": "a state dict is loaded here",
    "parameters": "the parameters are asked for here",
}


class UnregisteredSubmodule(Rule):
    """Modules in a plain list, tuple or dict are no part of the model: they are never saved, and never trained.

    ## What it does
    Reports an attribute of a module that holds other modules with tensors in a plain container. Modules that are
    registered in another way too (a `nn.Sequential` of the same list, `add_module`, `setattr`), that are saved or
    trained by themselves, or that have no tensors are not reported, and neither is a container of one, a usual way to
    hide a module on purpose.

    ## Why is this bad
    torch registers a module that is assigned to an attribute, and does not look into lists. `state_dict()` leaves the
    modules out, so no checkpoint has them; loading raises nothing, since the model does not expect their keys either,
    and goes on with random weights. `parameters()` leaves them out, so the optimizer never trains them; `.to(device)`
    and `.eval()` pass them by.

    ## Example
    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.branches = [nn.Linear(8, 8) for _ in range(4)]
    ```

    ## Use instead
    ```python
            self.branches = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])
    ```

    ## Fix safety
    The fix puts `nn.ModuleList` or `nn.ModuleDict` around what is assigned. It is unsafe: the model gets keys that
    older files lack, so loading those strictly fails from then on, and parameters that the optimizer did not have.

    ## References
    - [torch.nn.ModuleList](https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html)
    - [torch.nn.ModuleDict](https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleDict.html)
    """

    code = "CKPT202"
    name = "unregistered-submodule"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding an assignment."""
        for hidden in hidden_modules(project.machine):
            yield self._finding(project, hidden)

    def _finding(self, project: Project, hidden: Hidden) -> Finding:
        place = project.place(hidden.site)
        start = f"the modules in this {hidden.container} are not registered: "
        keys = f" ({key_list(hidden.keys)})" if hidden.keys else ""
        if hidden.how in ("taken", "loaded"):
            message = (
                f"{start}state_dict() leaves them out{keys}, so they are never saved, and a loaded model goes on with "
                "random weights there; parameters() and to() pass them by too"
            )
        elif hidden.how == "parameters":
            message = (
                f"{start}parameters() leaves them out, so no optimizer trains them, and no state dict will have them; "
                "to() passes them by too"
            )
        else:
            message = f"{start}state_dict(){keys}, parameters() and to() of {hidden.owner} leave them out"
        related = Related(project.place(hidden.asked), _ASKED.get(hidden.how, ""))
        return Finding(
            code=self.code,
            name=self.name,
            message=message,
            severity=self.severity,
            confidence=Confidence.MEDIUM if hidden.how == "made" else Confidence.HIGH,
            place=place,
            statement=project.statement(hidden.site),
            related=(related,) if related.message and related.place != place else (),
            fix=container.fix(project, hidden),
        )
