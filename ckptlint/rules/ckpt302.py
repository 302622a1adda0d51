"""CKPT302."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.unverified import Unverified, unverified
from ckptlint.findings import Confidence, Finding, Severity
from ckptlint.fixes.mending import foreign
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnverifiedStrictLoad(Rule):
    """A file from outside the project is loaded strictly, and nobody looks at its keys.

    ## What it does
    Reports a strict `load_state_dict` of a file that nothing in the project is seen to write: weights named on the
    command line, in a configuration, downloaded. Loads that take off prefixes, pick the keys that the model has, or
    deal with a failure are not reported. The rule is off unless it is selected.

    ## Why is this bad
    It need not be: a strict load says at once that a file does not fit. But it says so to whoever runs the script, in
    torch's words: `Unexpected key(s) in state_dict: "module.conv1.weight"`. Scripts that are given files by other
    people may want to take the prefixes of wrappers off first, and to name the file in the error.

    ## Example
    ```python
    model.load_state_dict(torch.load(args.weights))
    ```

    ## Use instead
    ```python
    state_dict = torch.load(args.weights)
    consume_prefix_in_state_dict_if_present(state_dict, "module.")
    model.load_state_dict(state_dict)
    ```

    ## Fix safety
    The fix takes the prefix `module.` off and loads into the unwrapped model. It is unsafe: what the file holds is not
    known.

    ## References
    - [consume_prefix_in_state_dict_if_present](https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html)
    """

    code = "CKPT302"
    name = "unverified-strict-load"
    since = "0.1.0"
    severity = Severity.INFO
    fixable = "unsafe"
    default = False

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        for load in unverified(project.events.applies, project.pairs):
            yield self._finding(project, load)

    def _finding(self, project: Project, load: Unverified) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                "nothing in this project writes the file that is loaded here, and nothing looks at its keys: if it was "
                'saved from a wrapped model, loading fails: Unexpected key(s) in state_dict: "module..."'
            ),
            severity=self.severity,
            confidence=Confidence.MEDIUM,
            place=project.place(load.site),
            statement=project.statement(load.site),
            fix=foreign.fix(project, load),
        )
