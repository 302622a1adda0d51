"""CKPT104."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.events import SlipEvent
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import called_method
from ckptlint.rules import slips
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UncalledStateDict(Rule):
    """`model.state_dict` without parentheses is saved or loaded.

    ## What it does
    Reports `model.state_dict`, of a module or an optimizer, that is not called and comes to be saved or loaded: by
    itself, or as an entry of a dict.

    ## Why is this bad
    Saved is the method, and with it the whole object that it belongs to, by the path of its class. Reading it back,
    `load_state_dict` stops: `TypeError: Expected state_dict to be dict-like, got <class 'method'>.`

    ## Example
    ```python
    torch.save({"model": model.state_dict, "epoch": epoch}, path)
    ```

    ## Use instead
    ```python
    torch.save({"model": model.state_dict(), "epoch": epoch}, path)
    ```

    ## Fix safety
    The fix writes the parentheses. It is safe: nothing can load the method.

    ## References
    - [Module.state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict)
    """

    code = "CKPT104"
    name = "uncalled-state-dict"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "safe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a reference."""
        for slip in slips.of_kind(project, "uncalled"):
            yield self._finding(project, slip)

    def _finding(self, project: Project, slip: SlipEvent) -> Finding:
        what = "given to `load_state_dict`" if slip.what == "loaded" else "saved"
        then = "" if slip.what == "loaded" else "loading the file fails: "
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"`state_dict` is not called here, and the method itself is {what}: "
                f"{then}TypeError: Expected state_dict to be dict-like, got <class 'method'>."
            ),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=project.place(slip.site),
            statement=project.statement(slip.site),
            fix=called_method.fix(project, slip),
        )
