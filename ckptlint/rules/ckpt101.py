"""CKPT101."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.saved import prefixed
from ckptlint.findings import Finding, Severity
from ckptlint.rules import wrapped_save
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class WrappedStateDictSave(Rule):
    """The state dict of a wrapped model is saved with the prefix `module.` in every key.

    ## What it does
    Reports a `.state_dict()` call on a model that is, always or under some condition, wrapped in DataParallel,
    DistributedDataParallel or a class like them, when the result is written to a file. The wrapper may have been put on
    in another function or file.

    ## Why is this bad
    The wrapper keeps the model as its child `module`, so every key in the file begins with `module.`. A script that
    builds the bare model, for testing on one GPU, cannot load the file:
    `Unexpected key(s) in state_dict: "module.conv1.weight"`. Where the wrap depends on the number of GPUs, the same
    training script writes two kinds of files.

    ## Example
    ```python
    model = nn.DataParallel(model)
    ...
    torch.save(model.state_dict(), "model.pth")
    ```

    ## Use instead
    ```python
    torch.save(model.module.state_dict(), "model.pth")
    ```
    Where the model is not always wrapped:
    ```python
    bare = model.module if isinstance(model, nn.DataParallel) else model
    torch.save(bare.state_dict(), "model.pth")
    ```

    ## Fix safety
    The fix unwraps the model at the save and, in the same step, makes every load in the project that can meet the file
    cope with files written before and after. It is unsafe where such a load cannot be mended.

    ## References
    - [torch.nn.DataParallel](https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html)
    - [Saving torch.nn.DataParallel models](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html)
    """

    code = "CKPT101"
    name = "wrapped-state-dict-save"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "both"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a place where such a state dict is taken."""
        for found in prefixed(project.events.saves, "module"):
            yield wrapped_save.report(self, project, found)
