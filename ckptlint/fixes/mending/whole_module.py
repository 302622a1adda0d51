"""The fix of CKPT103: the state dict is saved in place of the model.

    torch.save(model, path)                      torch.save(model.state_dict(), path)
    state = {"epoch": epoch, "model": model}     state = {"epoch": epoch, "model": model.state_dict()}

None where a load of the project can meet the file: what takes a model out of it would get a dict.
"""

from __future__ import annotations

from ckptlint.analysis.evidence import path_evidence
from ckptlint.analysis.pickled import WholeModule
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.mending.entry_value import value_at
from ckptlint.fixes.mending.syntax import span
from ckptlint.fixes.shapes.expression import primary


def fix(project: Project, whole: WholeModule) -> Fix | None:
    """Save the state dict."""
    paths = [save.names for save in project.events.saves if save.site == whole.save]
    if any(path_evidence(load.path, path) is not None for load in project.events.loads for path in paths):
        return None
    edits = [edit for site in whole.sites if (edit := _edit(project, site)) is not None]
    if len(edits) != len(whole.sites):
        return None
    return Fix(Applicability.UNSAFE, "save the state dict", tuple(edits))


def _edit(project: Project, site: Site) -> Edit | None:
    """`.state_dict()` behind the model."""
    found = value_at(project, site)
    if found is None:
        return None
    file, model = found
    offsets = file.offsets(span(file, model))
    assert offsets is not None
    return file.replacement(*offsets, f"{primary(file.text[slice(*offsets)])}.state_dict()")
