"""CKPT203."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.roots import is_test
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import buffer
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.events import TensorEvent
    from ckptlint.analysis.solve import Project


class UnregisteredTensor(Rule):
    """A module keeps a tensor that is neither a parameter nor a buffer.

    ## What it does
    Reports `self.x = tensor` in a class that comes from `nn.Module`, where the tensor is made by torch
    (`torch.zeros`, `torch.tensor`, ...) and is no parameter, and where no buffer has that name. The rule is off unless
    it is selected: many such tensors are constants, and are built again with the model.

    ## Why is this bad
    The tensor is not in the state dict, so what it has gathered in training (a running mean, a queue, a counter) is
    lost with the process, and nothing says so. `model.to(device)` leaves it where it is: `Expected all tensors to be on
    the same device`.

    ## Example
    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = torch.zeros(3)
    ```

    ## Use instead
    ```python
            self.register_buffer("mean", torch.zeros(3))
    ```
    or, for a constant, without a new key in the state dict:
    ```python
            self.register_buffer("mean", torch.zeros(3), persistent=False)
    ```

    ## Fix safety
    The fix registers a buffer that is not saved, so that old files go on to load; what should be saved has to be made
    persistent by hand. It is unsafe: the tensor now moves with the model.

    ## References
    - [torch.nn.Module.register_buffer](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html)
    """

    code = "CKPT203"
    name = "unregistered-tensor"
    since = "0.1.0"
    severity = Severity.INFO
    fixable = "unsafe"
    default = False

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding an assignment."""
        machine = project.machine
        for event in {event.site: event for event in reversed(project.events.tensors)}.values():
            if event.name not in machine.objects[event.owner].buffers and not is_test(event.site.file):
                yield self._finding(project, event)

    def _finding(self, project: Project, event: TensorEvent) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"`{event.name}` of {event.cls} is a tensor that is neither a parameter nor a buffer: it is not in the "
                "state dict, so what it gathers is lost, and model.to(device) leaves it where it is"
            ),
            severity=self.severity,
            confidence=Confidence.MEDIUM,
            place=project.place(event.site),
            statement=project.statement(event.site),
            fix=buffer.fix(project, event),
        )
