"""Entries of checkpoints that `torch.load` refuses by default since torch 2.6.

    {"model": model.state_dict(),       tensors and plain values: fine
     "args": args,                      argparse.Namespace: Unsupported global: GLOBAL argparse.Namespace
     "best": np.mean(scores),           numpy.float64: Unsupported global: GLOBAL numpy._core.multiarray.scalar
     "optimizer": optimizer}            the optimizer itself

Models that are pickled whole are refused as well; of those `pickled` speaks.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import SavedPart, SaveEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.modules import class_name
from ckptlint.analysis.pickled import is_in_memory, is_module_part
from ckptlint.analysis.values import ClassValue, External, Opaque, Ref, Site

#: The kind of what has a state dict and is stepped, of whatever class.
OPTIMIZER = "an optimizer"


class Refused(msgspec.Struct, frozen=True):
    """An entry that holds such a thing: where it was written down, its name, the class, and the saves it goes into."""

    site: Site
    entry: tuple[str, ...]
    kind: str
    saves: tuple[Site, ...]


def refused(machine: Machine) -> Iterator[Refused]:
    """Every such entry of a checkpoint, once; of a list that is written down in one place, the first element."""
    found: dict[tuple[Site, tuple[str, ...]], tuple[str, tuple[str, ...], dict[Site, None]]] = {}
    for save in machine.events.saves:
        if not is_checkpoint(machine, save):
            continue
        for part in save.parts:
            kind = kind_of(machine, part)
            if kind:
                key = (part.at or save.site, tuple(name for name in part.entry if not name.isdigit()))
                found.setdefault(key, (kind, part.entry, {}))[2][save.site] = None
    for (site, _), (kind, entry, saves) in found.items():
        yield Refused(site, entry, kind, tuple(saves))


def is_checkpoint(machine: Machine, save: SaveEvent) -> bool:
    """Whether a save writes states of a model, for `torch.load` to read."""
    if not save.pickles or save.implied or save.read_by != "torch.load" or is_in_memory(machine, save):
        return False
    return any(
        part.content is not None or part.module is not None or is_module_part(machine, part) for part in save.parts
    )


def kind_of(machine: Machine, part: SavedPart) -> str:
    """The class of what is refused, "" for what is not, or not known."""
    value = part.value
    if is_module_part(machine, part):
        return ""
    if isinstance(value, Opaque):
        steps = value.symbol in machine.seen.stepped and value.symbol in machine.seen.with_state
        kind = "" if machine.knowledge.is_plain(value.kind) else value.kind
        return kind or (OPTIMIZER if steps else "")
    if isinstance(value, ClassValue):
        return "type"
    if isinstance(value, External):
        return "type" if machine.knowledge.is_module_class(value.name) or value.name.startswith("torch.optim.") else ""
    if not isinstance(value, Ref):
        return ""
    info = machine.info(value)
    if info.kind == "instance" and isinstance(info.cls, ClassValue):
        return info.cls.name
    if info.kind == "foreign":
        name = class_name(machine, info.cls)
        name = machine.knowledge.made(name) or name
        return "" if machine.knowledge.is_plain(name) else name
    return ""
