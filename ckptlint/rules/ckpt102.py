"""CKPT102."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.saved import prefixed
from ckptlint.findings import Finding, Severity
from ckptlint.rules import wrapped_save
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class CompiledStateDictSave(Rule):
    """The state dict of a compiled model is saved with the prefix `_orig_mod.` in every key.

    ## What it does
    Reports a `.state_dict()` call on the result of `torch.compile(model)` when the state dict is written to a file.
    Compiling in place with `model.compile()` leaves keys alone and is not reported.

    ## Why is this bad
    `torch.compile` returns a module that keeps the model as its child `_orig_mod`. The file can be loaded only into
    another compiled model; elsewhere: `Unexpected key(s) in state_dict: "_orig_mod.conv1.weight"`.

    ## Example
    ```python
    model = torch.compile(model)
    torch.save(model.state_dict(), "model.pth")
    ```

    ## Use instead
    ```python
    torch.save(model._orig_mod.state_dict(), "model.pth")
    ```
    or compile in place, which needs no change anywhere else:
    ```python
    model.compile()
    ```

    ## Fix safety
    As for CKPT101: the loads that can meet the file are mended in the same step; where one cannot be, the fix is
    unsafe.

    ## References
    - [torch.compile](https://docs.pytorch.org/docs/stable/generated/torch.compile.html)
    """

    code = "CKPT102"
    name = "compiled-state-dict-save"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "both"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a place where such a state dict is taken."""
        for found in prefixed(project.events.saves, "_orig_mod"):
            yield wrapped_save.report(self, project, found)
