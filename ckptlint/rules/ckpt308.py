"""CKPT308."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.not_modules import NotAModule, not_modules
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import load_statement
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

_NO_MODULES = ("torch.optim.", "torch.amp.", "torch.cuda.amp.")


class LoadResultAsModel(Rule):
    """The answer of `load_state_dict` is taken for the model.

    ## What it does
    Reports `model = model.load_state_dict(...)`, and any other way in which the answer of `load_state_dict` comes to
    be used as a model: it is called, or one of its attributes is read that only a model has.

    ## Why is this bad
    `load_state_dict` changes the model and answers with the missing and unexpected keys. The next line stops with
    `AttributeError: '_IncompatibleKeys' object has no attribute 'eval'`. Of an optimizer the answer is `None`.

    ## Example
    ```python
    model = model.load_state_dict(torch.load(path))
    model.eval()
    ```

    ## Use instead
    ```python
    model.load_state_dict(torch.load(path))
    model.eval()
    ```

    ## Fix safety
    The fix makes the load a statement of its own. It is safe: the answer is no model.

    ## References
    - [Module.load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict)
    """

    code = "CKPT308"
    name = "load-result-as-model"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "safe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        for load in not_modules(project.events):
            yield self._finding(project, load)

    def _finding(self, project: Project, load: NotAModule) -> Finding:
        place = project.place(load.call)
        uses = [project.place(event.site) for event in load.uses if event.use == "misused"]
        return Finding(
            code=self.code,
            name=self.name,
            message=_message(load),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=place,
            statement=project.statement(load.call),
            related=tuple(sorted({Related(use, "and here it is used as one") for use in uses if use != place})),
            fix=load_statement.fix(project, load),
        )


def _message(load: NotAModule) -> str:
    shapes = [target.shape for target in load.reader.targets]
    no_module = any(shape is not None and shape.identity.startswith(_NO_MODULES) for shape in shapes)
    name = next((event.names[0] for event in load.uses if event.use == "misused" and event.names), "")
    if no_module:
        return "`load_state_dict` of an optimizer answers None, and that is taken for the optimizer here"
    answer = "`load_state_dict` answers with the missing and unexpected keys, and that is taken for the model here"
    if name:
        return f"{answer}: AttributeError: '_IncompatibleKeys' object has no attribute '{name}'"
    if any(event.use == "misused" for event in load.uses):
        return f"{answer}: TypeError: '_IncompatibleKeys' object is not callable"
    return answer
