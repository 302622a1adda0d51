"""The fix of CKPT110: a plain value is saved in place of the object.

"args": args                      "args": vars(args)
"optimizer": optimizer            "optimizer": optimizer.state_dict()
"best": best                      "best": float(best)            a number of numpy
"date": datetime.now()            "date": str(datetime.now())

A load of the project that takes the entry from the file takes the object, and would be given the plain value: it is
named, and where it is an optimizer, which a load goes on training with, nothing is offered.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.pairs import same_file
from ckptlint.analysis.refused import OPTIMIZER, Refused
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.entry_value import value_at
from ckptlint.fixes.mending.obstacles import asked_entries
from ckptlint.fixes.mending.syntax import span
from ckptlint.fixes.shapes.expression import primary

#: What a number of Python does as well as one of numpy.
_ALIKE = frozenset({"numpy.float64"})
_CONTAINERS = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
_CALLED = {"argparse.Namespace": "vars", "numpy.float64": "float", "datetime.datetime": "str"}


def fix(project: Project, entry: Refused) -> Fix | None:
    """Save a plain value; None where there is no plain value that says the same."""
    found = value_at(project, entry.site) if entry.entry else None
    if found is None:
        return None
    file, value = found
    if entry.entry[-1].isdigit() or isinstance(value, _CONTAINERS):
        return None  # what is refused is an item of it
    offsets = file.offsets(span(file, value))
    assert offsets is not None
    text = file.text[slice(*offsets)]
    readers = _readers(project, entry)
    if entry.kind in _CALLED:
        new = f"{_CALLED[entry.kind]}({text})"
    elif not readers and (entry.kind == OPTIMIZER or entry.kind.startswith("torch.optim.")):
        new = f"{primary(text)}.state_dict()"
    else:
        return None
    message = "save a plain value"
    if readers and entry.kind not in _ALIKE:
        message += f"; check by hand: {', '.join(readers[:3])} (the entry is taken from the file there)"
    return Fix(Applicability.UNSAFE, message, (file.replacement(*offsets, new),))


def _readers(project: Project, entry: Refused) -> list[str]:
    """Where a file with the entry is read, for the entry; what the same run has written itself is read for all."""
    saves = [save for save in project.events.saves if save.site in entry.saves]
    asked = project.derived(asked_entries)
    sites = {
        load.site
        for load in project.events.loads
        if (not load.file or entry.entry[0] in asked.get(load.file, ()))
        and any(same_file(load, save) for save in saves)
    }
    return sorted(f"{place.path}:{place.span.start.row}" for place in map(project.place, sites))
