"""Files that are written under one name and read under another.

    torch.save(state, path + ".tmp")                    checkpoint.pth.tmp
    os.replace(path + ".tmp", path)                     checkpoint.pth as well
    if is_best:
        shutil.copyfile(path, "model_best.pth.tar")     and model_best.pth.tar

What the run itself has written is found again under the new name; a save keeps the names that its file gets, so that it
meets the readers of each. A name under a condition is a name: whoever reads `model_best.pth.tar` meets this writer.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis import files
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Opaque, Ref, Value, alternatives

#: `Path.rename(target)` and `Path.replace(target)`; of a string `replace` has two arguments.
METHODS = frozenset(("rename", "replace"))

_MOST_NAMES = 4


def note(machine: Machine, old: Value, new: Value) -> None:
    """The file `old` gets the name `new`."""
    saves = machine.events.saves
    old, new = files.resolved_path(machine, old), files.resolved_path(machine, new)
    entry = machine.entry
    for index in range(len(saves) - 1, -1, -1):
        save = saves[index]
        if save.at.entry != entry:
            break
        if len(save.renamed) < _MOST_NAMES and _share_one(save.names, old) and not _share_one(save.names, new):
            saves[index] = msgspec.structs.replace(save, renamed=(*save.renamed, new))
    files.copy(machine, old, new)


def _share_one(names: Value, other: Value) -> bool:
    known = {plain for _, plain in alternatives(names) if not isinstance(plain, Ref)}
    return any(_written_name(plain) in known or plain in known for _, plain in alternatives(other))


def _written_name(path: Value) -> Value:
    """`handle.name`, where the file was written through the handle."""
    if isinstance(path, Opaque) and path.symbol.endswith(".name"):
        return Opaque(path.symbol.removesuffix(".name"), path.fresh)
    return path
