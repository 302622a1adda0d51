"""CKPT312."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.torch_version import is_plain_by_default
from ckptlint.analysis.unsafe_loads import UnsafeLoad, unsafe_loads
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import read_arguments
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnsafeLoadOfFile(Rule):
    """A checkpoint is read in a way that lets the file run any code.

    ## What it does
    Reports `torch.load` with `weights_only=False`. Without the argument it reports loads of checkpoints where that is
    the default, in projects for a torch older than 2.6 (`--torch-version`, or the project's own requirement). Where the
    version is not known, it reports loads of files that are seen to hold more than tensors and plain values, since
    one default is unsafe and the other refuses the file; all other loads only when the rule is selected by its code or
    by ALL. Loads in files that use `torch.serialization.safe_globals` are not reported.

    ## Why is this bad
    A checkpoint is a pickle, and a pickle can call any function when it is read. A file from somebody else, or one that
    somebody else could change, can do whatever you can.

    ## Example
    ```python
    checkpoint = torch.load(path, weights_only=False)
    ```

    ## Use instead
    ```python
    checkpoint = torch.load(path, weights_only=True)
    ```
    and save nothing but tensors and plain values, see CKPT103 and CKPT110.

    ## Fix safety
    The fix writes `weights_only=True`. It is unsafe: files that hold more can no longer be read. None is offered where
    a save of the project is seen to put more into the file.

    ## References
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html): weights_only
    - [torch.serialization.safe_globals](https://docs.pytorch.org/docs/stable/notes/serialization.html)
    """

    code = "CKPT312"
    name = "unsafe-load"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        plain = is_plain_by_default(project.settings.torch_version)
        for load in unsafe_loads(project.machine, project.pairs):
            silent = not load.explicit and (plain or (plain is None and not load.needs_objects and not self.named))
            if not silent:
                yield self._finding(project, load)

    def _finding(self, project: Project, load: UnsafeLoad) -> Finding:
        if load.explicit:
            message = "weights_only=False lets the file run any code when it is read"
        elif load.needs_objects and is_plain_by_default(project.settings.torch_version) is None:
            message = (
                "this file holds more than tensors and plain values: since torch 2.6 it is refused here (Weights only "
                "load failed), and before it may run any code when it is read"
            )
        else:
            message = "before torch 2.6 a file can run any code when it is read without weights_only=True"
        related: list[Related] = []
        if load.holds is not None:
            entry, kind, site = load.holds
            what = f'the entry "{entry}" is' if entry else "what is saved is"
            kind = kind if kind.startswith(("a ", "an ")) else f"of the class {kind}"
            message += f"; {what} {kind}"
            related.append(Related(project.place(site), f"{what} {kind}"))
        return Finding(
            code=self.code,
            name=self.name,
            message=message,
            severity=self.severity,
            confidence=Confidence.HIGH if load.explicit or load.needs_objects else Confidence.MEDIUM,
            place=project.place(load.site),
            statement=project.statement(load.site),
            related=tuple(related),
            fix=None if load.needs_objects else read_arguments.with_weights_only(project, load.site),
        )
