"""The fixes of CKPT311 and CKPT312: an argument of `torch.load` is added or changed.

torch.load(path)                                torch.load(path, map_location="cpu")
torch.load(path, weights_only=False)            torch.load(path, weights_only=True)
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.torch_version import WEIGHTS_ONLY_SINCE, has
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.file import File


def with_map_location(project: Project, site: Site) -> Fix | None:
    """Read to the CPU."""
    file = project.derived(Sources)[site.file]
    edit = _with_argument(project, site, "map_location", file.quoted("cpu")) if file is not None else None
    return None if edit is None else Fix(Applicability.UNSAFE, "read to the CPU", (edit,))


def with_weights_only(project: Project, site: Site) -> Fix | None:
    """Take plain values and tensors only, where torch knows how to."""
    if not has(project.settings.oldest_torch, WEIGHTS_ONLY_SINCE):
        return None
    edit = _with_argument(project, site, "weights_only", "True")
    return None if edit is None else Fix(Applicability.UNSAFE, "take tensors and plain values only", (edit,))


def _with_argument(project: Project, site: Site, keyword: str, value: str) -> Edit | None:
    """The call with `keyword=value`: in the place of the present value, else behind the other arguments."""
    file = project.derived(Sources)[site.file]
    path = path_to(file, project.place(site)) if file is not None else None
    call = path[-1] if path is not None else None
    if file is None or path is None or not isinstance(call, ast.Call):
        return None
    if any(isinstance(node, ast.JoinedStr) for node in path):
        return None
    present = next((one.value for one in call.keywords if one.arg == keyword), None)
    if present is not None:
        offsets = file.offsets(span(file, present))
        return None if offsets is None else file.replacement(*offsets, value)
    return _appended(file, call, f"{keyword}={value}")


def _appended(file: File, call: ast.Call, argument: str) -> Edit | None:
    """The argument behind the last one that is given, brackets around that one included."""
    given: list[ast.expr] = [*call.args, *(one.value for one in call.keywords)]
    if not given or any(isinstance(one, ast.GeneratorExp) for one in given):
        return None
    last = max(given, key=lambda one: (one.end_lineno or 0, one.end_col_offset or 0))
    inside, whole = file.offsets(span(file, last)), file.offsets(span(file, call))
    if inside is None or whole is None:
        return None
    rest = file.text[inside[1] : whole[1] - 1]
    if "#" in rest:
        return None
    end = inside[1] + len(rest.rstrip(", \t\n"))
    return file.replacement(end, end, f", {argument}")
