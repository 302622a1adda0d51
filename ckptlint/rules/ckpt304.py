"""CKPT304."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.partial import PartialLoad, partial_loads
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import counted_keys
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class SilentPartialLoad(Rule):
    """What fits is loaded, the rest is left out, and nobody hears how much that was.

    ## What it does
    Reports three forms of one idiom:
    - keys are picked by what the model has (`if k in model_dict`) and loaded with `strict=False`;
    - loaded keys are merged into the model's own state dict, and that is loaded: a key that the file lacks is there
      anyway, so that even a strict load finds nothing missing;
    - tensors are copied one by one for the names that the model has.

    It says nothing where somebody hears of it: the keys that are left out are printed, or those that are taken are
    counted; nor where the picked keys are loaded strictly. Where nothing is ever loaded it is an error; for published
    weights that the code fetches from a fixed place, which never change, an info.

    ## Why is this bad
    When the file's keys have a prefix (`module.conv1.weight`), or the file is of another model, no key is picked.
    The model's own random weights are loaded into it again, without a word, and the run goes on as if it had been
    restored.

    ## Example
    ```python
    model_dict = model.state_dict()
    model_dict.update({k: v for k, v in torch.load(path).items() if k in model_dict})
    model.load_state_dict(model_dict)
    ```

    ## Use instead
    ```python
    incompatible_keys = model.load_state_dict(torch.load(path), strict=False)
    if any(incompatible_keys):
        warnings.warn(f"the checkpoint does not fit the model: {incompatible_keys}")
    ```
    Or count: `print(f"{len(picked)} of {len(model_dict)} keys loaded")`, with an error when it is none.

    ## Fix safety
    The fix warns when fewer keys are loaded than the model has. It is unsafe: what may be missing is known to the
    author alone.

    ## References
    - [Module.load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict)
    - [Saving and loading models: warmstarting](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html)
    """

    code = "CKPT304"
    name = "silent-partial-load"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        for load in partial_loads(project.store, project.machine, project.pairs):
            yield self._finding(project, load)

    def _finding(self, project: Project, load: PartialLoad) -> Finding:
        place = project.place(load.site)
        others = [(load.merged, "the keys are merged into the model's own here"), (load.load, "and are loaded here")]
        related = [Related(project.place(site), text) for site, text in others if site is not None]
        return Finding(
            code=self.code,
            name=self.name,
            message=_message(load),
            severity=_severity(load),
            confidence=Confidence.HIGH,
            place=place,
            statement=project.statement(load.site),
            related=tuple(one for one in related if one.place != place),
            fix=counted_keys.fix(project, load),
        )


def _severity(load: PartialLoad) -> Severity:
    if load.nothing:
        return Severity.ERROR
    return Severity.INFO if load.fetched else Severity.WARNING


_WHAT = {
    "picked": "keys that the model does not have are left out, and nobody counts how many are loaded",
    "merged": "what the file lacks stays as the model has it, and nobody counts how many keys are loaded",
    "filled": "what the file lacks stays as the model has it, and nothing says so",
    "copied": "names that the model does not have are skipped, and nobody hears of them",
}


def _message(load: PartialLoad) -> str:
    what = _WHAT[load.kind]
    if load.nothing:
        return f"nothing is loaded here: none of the file's keys is one of the model's; {what}"
    if load.kind == "filled":
        return f"{what}: a file with a part of the keys leaves the rest with the weights that the model was built with"
    return (
        f"{what}: a file with other keys, or with a prefix in front of them, loads nothing, and all goes on with "
        "the weights that the model was built with"
    )
