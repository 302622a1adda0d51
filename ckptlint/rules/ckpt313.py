"""CKPT313."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.swallowed import Swallowed, swallowed
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import raised
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class SwallowedLoadFailure(Rule):
    """A checkpoint that is not there, or cannot be loaded, is only talked about.

    ## What it does
    Reports two places in which no more is done than to print or log (or nothing at all):
    - the branch for a file that is not there, where the user has named the file (`args.resume`, a parameter of the
      function) and a state dict is loaded where it is there;
    - a handler around a load that takes the failure of the load (`except RuntimeError`, `except Exception`, a bare
      `except`).

    Scripts that go on with what they find, at a path that they make themselves (`os.path.join(out, "last.pth")`), are
    left alone, and so are handlers that try something else, set something, or raise.

    ## Why is this bad
    A typing error in `--resume` costs a line in the log. The run begins from scratch, overwrites the checkpoints of
    the run that it was to resume, or evaluates a model with random weights and reports the result.

    ## Example
    ```python
    if os.path.isfile(args.resume):
        model.load_state_dict(torch.load(args.resume))
    else:
        print(f"=> no checkpoint found at {args.resume!r}")
    ```

    ## Use instead
    ```python
    model.load_state_dict(torch.load(args.resume))
    ```
    `torch.load` says best what is wrong: `FileNotFoundError: [Errno 2] No such file or directory: ...`.

    ## Fix safety
    The fix raises after the message: `FileNotFoundError` with the path, or again what was caught. It is unsafe:
    somebody may rely on the run going on.

    ## References
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html)
    """

    code = "CKPT313"
    name = "swallowed-load-failure"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a branch or handler."""
        for place in swallowed(project.events):
            yield self._finding(project, place)

    def _finding(self, project: Project, found: Swallowed) -> Finding:
        place = project.place(found.site)
        loads = [project.place(site) for site in found.loads[:3]]
        if found.kind == "failed":
            what = "a load that fails is not heard of here"
        else:
            what = "a checkpoint that was asked for and is not there is only talked about here"
        harm = "training begins from scratch, testing measures a model with random weights"
        if found.roles:
            verb = "begins" if len(found.roles) == 1 else "begin"
            harm = f"the {' and the '.join(found.roles)} {verb} anew, and training does not go on where it was left"
        return Finding(
            code=self.code,
            name=self.name,
            message=f"{what}, and all goes on without it: {harm}",
            severity=self.severity,
            confidence=Confidence.HIGH if found.kind == "failed" else Confidence.MEDIUM,
            place=place,
            statement=project.statement(found.site),
            related=tuple(Related(load, "this is what is not loaded") for load in loads if load != place),
            fix=raised.fix(project, found),
        )
