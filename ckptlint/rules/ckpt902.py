"""CKPT902."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.findings import Finding, Severity
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnusedSuppression(Rule):
    """A suppression comment suppresses nothing.

    ## What it does
    Reports `# ckptlint: ignore[...]`, `# ckptlint: file-ignore[...]` and `# noqa: CKPT...` comments where the rule
    they name finds nothing. Only codes of rules that ran are judged, and a blanket `# noqa` never is.

    ## Why is this bad
    The comment tells the next reader of a mistake that is not there, and it will silence the next real one.

    ## Example
    ```python
    torch.save(model.module.state_dict(), path)  # ckptlint: ignore[CKPT101]
    ```

    ## Use instead
    ```python
    torch.save(model.module.state_dict(), path)
    ```

    ## Fix safety
    Safe: only the comment changes. Codes of other tools, and other comments on the line, are kept.

    ## References
    - [Suppressing findings](https://docs.astral.sh/ruff/linter/#error-suppression) in ruff, whose forms these are
    """

    code = "CKPT902"
    name = "unused-suppression"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "safe"

    def check(self, project: Project) -> Iterator[Finding]:
        """Nothing: these are found when all other findings are known and the comments are heard."""
        yield from ()
