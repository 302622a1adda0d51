"""CKPT311."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.ranks import may_be_launched
from ckptlint.analysis.readings import Reading, readings
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import read_arguments
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

#: The states of these are plain numbers: none of them lies on a GPU.
_PLAIN_NUMBERS = frozenset(("scheduler", "scaler"))


class MissingMapLocation(Rule):
    """A checkpoint is read onto the device that it was written from.

    ## What it does
    Reports `torch.load` of a checkpoint without `map_location`. In a project that trains in one process it is reported
    only when the rule is selected by its code or by ALL; where a distributed run gets to the load, it is reported
    by default. Files that hold no state of a model, such as datasets, are not reported.

    ## Why is this bad
    Tensors come back to the device that they were saved from. In a distributed run that is the GPU of the process that
    wrote the file: every process puts its copy on `cuda:0`, which runs out of memory while the others are idle. On a
    machine without that GPU reading fails: `Attempting to deserialize object on a CUDA device but
    torch.cuda.is_available() is False`, or `Attempting to deserialize object on CUDA device 3 but
    torch.cuda.device_count() is 1`.

    ## Example
    ```python
    checkpoint = torch.load("last.pth")
    model.load_state_dict(checkpoint["model"])
    ```

    ## Use instead
    ```python
    checkpoint = torch.load("last.pth", map_location="cpu")
    ```
    `load_state_dict` copies the tensors to where the model is.

    ## Fix safety
    The fix reads to the CPU. It is unsafe: what is used without `load_state_dict` is then on another device.

    ## References
    - [torch.load](https://docs.pytorch.org/docs/stable/generated/torch.load.html)
    - [Saving and loading across devices](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html)
    """

    code = "CKPT311"
    name = "missing-map-location"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        machine = project.machine
        distributed = {event.entry for event in project.events.process_groups}
        distributed |= {event.entry for event in project.events.wraps if event.processes}
        numbers = {
            event.site
            for event in project.events.training
            if event.act == "load_state_dict" and event.role in _PLAIN_NUMBERS
        }
        for reading in readings(machine):
            if reading.loads and numbers.issuperset(reading.loads):
                continue
            if any(event.device is not None or event.open_ended for event in reading.events):
                continue
            several = any(
                event.entry in distributed and may_be_launched(machine.ranks, event.guard) for event in reading.events
            )
            if several or self.named:
                yield self._finding(project, reading, several)

    def _finding(self, project: Project, reading: Reading, several: bool) -> Finding:
        consequence = (
            "every process of the distributed run puts its copy on the GPU of the process that wrote it, which runs "
            "out of memory, and a machine without that GPU cannot read it"
            if several
            else "a machine without the GPU that it was written from cannot read it: Attempting to deserialize object "
            "on a CUDA device but torch.cuda.is_available() is False"
        )
        related = [Related(project.place(load), "its tensors are loaded here") for load in reading.loads[:2]]
        place = project.place(reading.site)
        return Finding(
            code=self.code,
            name=self.name,
            message=f"the file is read without map_location: {consequence}",
            severity=self.severity,
            confidence=Confidence.HIGH if several else Confidence.MEDIUM,
            place=place,
            statement=project.statement(reading.site),
            related=tuple(sorted(one for one in related if one.place != place)),
            fix=read_arguments.with_map_location(project, reading.site),
        )
