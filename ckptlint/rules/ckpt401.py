"""CKPT401."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.formats import ENTRIES, Mismatch
from ckptlint.analysis.values import Site
from ckptlint.analysis.words import key_list
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class EntryMismatch(Rule):
    """A reader asks a checkpoint for an entry that no writer of that file puts into it.

    ## What it does
    Pairs every `torch.load` with the places in the project that write the file, by the path and the model, and compares
    the names of the entries: `checkpoint["optimizer"]` against `{"model": ..., "optim": ...}`. An entry that any writer
    of the project may have written to that file is not reported, and neither is one that is looked for first
    (`"optimizer" in checkpoint`, `checkpoint.get("optimizer")`) or whose `KeyError` is caught.

    ## Why is this bad
    It raises `KeyError: 'optimizer'` when training is resumed: days after the file was written, when the only thing
    that could write it again is gone.

    ## Example
    ```python
    torch.save({"model": model.state_dict(), "optim": optimizer.state_dict()}, "last.pth")
    ...
    checkpoint = torch.load("last.pth")
    optimizer.load_state_dict(checkpoint["optimizer"])
    ```

    ## Use instead
    ```python
    optimizer.load_state_dict(checkpoint["optim"])
    ```

    ## Fix safety
    There is no fix: which of the two names is meant, and which files exist already, is for you to say.

    ## References
    - [Saving and loading a general checkpoint](https://docs.pytorch.org/tutorials/recipes/recipes/saving_and_loading_a_general_checkpoint.html)
    """

    code = "CKPT401"
    name = "entry-mismatch"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "none"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a read."""
        by_site: dict[Site, list[Mismatch]] = {}
        for one in project.mismatches:
            if one.wants == one.has == ENTRIES:
                by_site.setdefault(one.use.site, []).append(one)
        for site, found in by_site.items():
            yield self._finding(project, site, found)

    def _finding(self, project: Project, site: Site, found: list[Mismatch]) -> Finding:
        name = found[0].use.name
        names = tuple(dict.fromkeys(written for one in found for written in one.names))
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        place = project.place(site)
        writers = dict.fromkeys(project.place(save.site) for one in found for save in one.writers)
        why = (
            f"it is not in {found[0].known}"
            if found[0].known
            else "nothing in this project puts that entry into the file"
        )
        return Finding(
            code=self.code,
            name=self.name,
            message=f"this stops with KeyError: '{name}': {why}, which has {key_list(names, 6)}{hint}",
            severity=self.severity,
            confidence=Confidence.HIGH if max(one.surely for one in found) > 1 else Confidence.MEDIUM,
            place=place,
            statement=project.statement(site),
            related=tuple(sorted(Related(writer, "the file is written here") for writer in list(writers)[:3])),
        )
