"""CKPT310."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.events import SlipEvent
from ckptlint.analysis.slips import OF_LOAD_STATE_DICT
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import load_arguments
from ckptlint.rules import slips
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class MisplacedLoadArgument(Rule):
    """An argument of `torch.load` is given to `load_state_dict`, or the other way round.

    ## What it does
    Reports `load_state_dict(..., map_location=...)` and other arguments of `torch.load` there, a device as the second
    argument of `load_state_dict`, and `torch.load(..., strict=False)`.

    ## Why is this bad
    A parenthesis is in the wrong place. Most of these stop with a `TypeError`. A device in second place does not: it is
    taken for `strict`, counts as true, and the tensors stay on the device that they were saved from.

    ## Example
    ```python
    model.load_state_dict(torch.load(path), map_location="cpu")
    ```

    ## Use instead
    ```python
    model.load_state_dict(torch.load(path, map_location="cpu"))
    ```

    ## Fix safety
    The fix moves the argument into the call that it belongs to, where that stands inside the other one. It is safe.

    ## References
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html)
    - [Module.load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict)
    """

    code = "CKPT310"
    name = "misplaced-load-argument"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "safe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding an argument."""
        for slip in slips.of_kind(project, "argument"):
            yield self._finding(project, slip)

    def _finding(self, project: Project, slip: SlipEvent) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            message=_message(slip),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=project.place(slip.site),
            statement=project.statement(slip.site),
            fix=load_arguments.moved(project, slip),
        )


def _message(slip: SlipEvent) -> str:
    if not slip.what:
        return (
            "the second argument of `load_state_dict` is `strict`: the device that is given here counts as true and "
            "moves nothing; it belongs to `torch.load(..., map_location=...)`"
        )
    if slip.what in OF_LOAD_STATE_DICT:
        return (
            f"`{slip.what}` belongs to `load_state_dict`; `torch.load` hands it to the unpickler, which stops with "
            f"TypeError: '{slip.what}' is an invalid keyword argument"
        )
    return (
        f"`{slip.what}` belongs to `torch.load`: "
        f"TypeError: Module.load_state_dict() got an unexpected keyword argument '{slip.what}'"
    )
