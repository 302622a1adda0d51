"""CKPT901."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.findings import Confidence, Finding, Place, Position, Severity, Span
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnreadableSource(Rule):
    """A file that the analysis needed could not be read.

    ## What it does
    Reports files, or single functions, that ckptlint wanted to look at and could not: not Python 3, not in the encoding
    that the file says it has, too big, too deeply nested, or not readable by this user.

    ## Why is this bad
    A save or a load in such a file is not seen. What ckptlint says about the rest of the project may then be
    incomplete, and fixes that would change what is saved are not called safe.

    ## Example
    ```python
    model = model.cuda(async=True)  # a syntax error since Python 3.7
    ```

    ## Use instead
    ```python
    model = model.cuda(non_blocking=True)
    ```
    Or leave the file out with `extend-exclude` when it is no part of the project.

    ## Fix safety
    There is no fix.

    ## References
    - [What's new in Python 3.7: async and await are keywords](https://docs.python.org/3/whatsnew/3.7.html)
    """

    code = "CKPT901"
    name = "unreadable-source"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "none"
    about_the_run = True

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a place that the analysis asked for."""
        for unreadable in tuple(project.store.unreadable):
            error = unreadable.error
            start = Position(error.row, error.column)
            span = Span(start, Position(error.row, error.column + 1))
            yield Finding(
                code=self.code,
                name=self.name,
                message=f"this code could not be read, so what it saves and loads is not known: {error.reason}",
                severity=self.severity,
                confidence=Confidence.HIGH,
                place=Place(unreadable.relative, span),
                statement=span,
            )
