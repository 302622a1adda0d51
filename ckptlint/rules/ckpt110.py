"""CKPT110."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.evidence import SAME_NAME, path_evidence
from ckptlint.analysis.refused import Refused, refused
from ckptlint.analysis.torch_version import is_plain_by_default
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import plain_entry
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project
    from ckptlint.analysis.values import Site

#: The names under which torch refuses them.
_AS_TORCH_SAYS = {
    "argparse.Namespace": "argparse.Namespace",
    "datetime.datetime": "datetime.datetime",
    "numpy.float64": "numpy._core.multiarray.scalar",
    "numpy.ndarray": "numpy._core.multiarray._reconstruct",
}


class WeightsOnlyIncompatibleEntry(Rule):
    """An entry of the checkpoint is something that `torch.load` refuses by default since torch 2.6.

    ## What it does
    Reports entries of a saved checkpoint that are neither tensors nor plain values of Python: the options of
    argparse, an optimizer or a scheduler itself, a number or an array of numpy, a date, an object of a class of the
    project, a class. A model that is saved whole is the business of CKPT103. Nothing is reported where the project is
    for a torch older than 2.6 (`--torch-version`, or its own requirement).

    ## Why is this bad
    Since torch 2.6 `torch.load` reads with `weights_only=True`. One such entry, and the whole file cannot be read:
    `Weights only load failed. ... Unsupported global: GLOBAL argparse.Namespace was not an allowed global by default`.
    Whoever then writes `weights_only=False` lets the file run any code.

    ## Example
    ```python
    torch.save({"model": model.state_dict(), "args": args}, path)
    ```

    ## Use instead
    ```python
    torch.save({"model": model.state_dict(), "args": vars(args)}, path)
    ```

    ## Fix safety
    The fix saves plain values: `vars(args)`, `optimizer.state_dict()`, `float(score)`, `str(date)`. It is unsafe: what
    reads the entry gets another thing than before. Such places are named, and an optimizer that is read back from the
    file is left as it is.

    ## References
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html): weights_only
    - [Serialization semantics](https://docs.pytorch.org/docs/stable/notes/serialization.html)
    """

    code = "CKPT110"
    name = "weights-only-incompatible-entry"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding an entry."""
        if is_plain_by_default(project.settings.torch_version) is False:
            return
        for entry in refused(project.machine):
            yield self._finding(project, entry)

    def _finding(self, project: Project, entry: Refused) -> Finding:
        name = f'the entry "{".".join(entry.entry)}"' if entry.entry else "what is saved here"
        kind = entry.kind if entry.kind.startswith(("a ", "an ")) else f"of the class {entry.kind}"
        refusal = "Weights only load failed"
        if entry.kind in _AS_TORCH_SAYS:
            refusal += f". ... Unsupported global: GLOBAL {_AS_TORCH_SAYS[entry.kind]}"
        place = project.place(entry.site)
        related = {project.place(site): "saved here" for site in entry.saves[:2]}
        related |= {project.place(load): "read here" for load in _reads(project, entry)[:2]}
        return Finding(
            code=self.code,
            name=self.name,
            message=f"{name} is {kind}: since torch 2.6 torch.load refuses the whole file: {refusal}",
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=place,
            statement=project.statement(entry.site),
            related=tuple(sorted(Related(where, text) for where, text in related.items() if where != place)),
            fix=plain_entry.fix(project, entry),
        )


def _reads(project: Project, entry: Refused) -> list[Site]:
    """The loads whose path agrees with that of a save."""
    paths = [save.names for save in project.events.saves if save.site in entry.saves]
    found = {
        load.site: None
        for load in project.events.loads
        for path in paths
        if (path_evidence(load.path, path) or 0) >= SAME_NAME
    }
    return list(found)
