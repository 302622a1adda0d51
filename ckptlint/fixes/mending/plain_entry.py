"""The fix of CKPT110: a plain value is saved in place of the object.

"args": args                      "args": vars(args)
"optimizer": optimizer            "optimizer": optimizer.state_dict()
"best": best                      "best": float(best)            a number of numpy
"date": datetime.now()            "date": str(datetime.now())
"""

from __future__ import annotations

from ckptlint.analysis.refused import OPTIMIZER, Refused
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.entry_value import value_at
from ckptlint.fixes.mending.syntax import span
from ckptlint.fixes.shapes.expression import primary

_CALLED = {"argparse.Namespace": "vars", "numpy.float64": "float", "datetime.datetime": "str"}


def fix(project: Project, entry: Refused) -> Fix | None:
    """Save a plain value; None where there is no plain value that says the same."""
    found = value_at(project, entry.site) if entry.entry else None
    if found is None:
        return None
    file, value = found
    offsets = file.offsets(span(file, value))
    assert offsets is not None
    text = file.text[slice(*offsets)]
    if entry.kind in _CALLED:
        new = f"{_CALLED[entry.kind]}({text})"
    elif entry.kind == OPTIMIZER or entry.kind.startswith("torch.optim."):
        new = f"{primary(text)}.state_dict()"
    else:
        return None
    return Fix(Applicability.UNSAFE, "save a plain value", (file.replacement(*offsets, new),))
