"""CKPT303."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.unlooked import Unlooked, unlooked
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import told_keys
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class IgnoredIncompatibleKeys(Rule):
    """A load with `strict=False`, and nobody looks at what was not loaded.

    ## What it does
    Reports `load_state_dict(..., strict=False)` whose answer, the missing and the unexpected keys, is dropped, or kept
    under a name that is never read; also where `strict` is a variable that is always `False` there. A load is left
    alone where the answer is printed, tested or returned to somebody who looks, and where the keys were counted, or
    those that do not fit were named, before. For published weights that the code fetches from a fixed place, which
    never change, the finding is an info.

    ## Why is this bad
    With `strict=False` a file that has nothing to do with the model is loaded without a word: no tensor is restored,
    and training or testing goes on with random weights. A prefix that is left over (`module.`, `_orig_mod.`), the
    wrong entry of the checkpoint or a renamed layer all end like this. The one trace of it is the answer of
    `load_state_dict`.

    ## Example
    ```python
    model.load_state_dict(checkpoint["model"], strict=False)
    ```

    ## Use instead
    ```python
    incompatible_keys = model.load_state_dict(checkpoint["model"], strict=False)
    if any(incompatible_keys):
        warnings.warn(f"the checkpoint does not fit the model: {incompatible_keys}", stacklevel=2)
    ```
    Or, where it is known what may be missing, an assertion that nothing else is.

    ## Fix safety
    The fix gives the answer a name and warns when a key is missing or unexpected. It is safe where the model is one
    that the project makes, and unsafe where the class is not known: a `load_state_dict` of its own may answer nothing.

    ## References
    - [Module.load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict)
    """

    code = "CKPT303"
    name = "ignored-incompatible-keys"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "both"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        for load in unlooked(project.store, project.machine):
            yield self._finding(project, load)

    def _finding(self, project: Project, load: Unlooked) -> Finding:
        kept = next((event.names for event in load.results if event.use == "kept"), ())
        ignored = f"nobody reads `{', '.join(kept)}`" if kept else "nobody looks at the answer"
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"with strict=False, keys that do not fit are skipped in silence, and {ignored}: a file that has none "
                "of the model's keys loads nothing here, and all goes on with the weights that the model was built with"
            ),
            severity=Severity.INFO if load.fetched else self.severity,
            confidence=Confidence.HIGH,
            place=project.place(load.call),
            statement=project.statement(load.call),
            fix=told_keys.fix(project, load),
        )
