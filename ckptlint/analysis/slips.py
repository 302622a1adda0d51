"""Slips in calls: a `state_dict` without parentheses, a path where a state dict belongs, an argument in the wrong call.

    torch.save(model.state_dict, path)                                    uncalled: the method itself
    model.load_state_dict("best.pth")                                     path
    model.load_state_dict(torch.load(path), map_location="cpu")           argument: it belongs to `torch.load`
    model.load_state_dict(torch.load(path, strict=False))                 argument: it belongs to `load_state_dict`

A `model.state_dict` without a call is no mistake by itself; where it was written is kept, and noted when it is saved or
loaded.
"""

from __future__ import annotations

import re

from ckptlint.analysis.events import SlipEvent, TargetCase
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import (
    Bound,
    Const,
    Function,
    Method,
    Opaque,
    Ref,
    Site,
    Text,
    TupleValue,
    Value,
    alternatives,
)

#: Arguments of torch.load that get lost in load_state_dict, and the other way round. Read from torch 2.13.
OF_LOAD = frozenset(("map_location", "weights_only", "pickle_module", "mmap", "encoding"))
OF_LOAD_STATE_DICT = frozenset(("strict", "assign"))

#: What is to be saved, as ignite calls it: https://docs.pytorch.org/ignite/generated/ignite.handlers.checkpoint.Checkpoint.html
_SAVED_LATER = "to_save"

#: Names of things that have a method `state_dict`.
_NAMED_SO = re.compile(r"(?i)(?:model|module|net|network|optimi[sz]er|optim|scheduler|scaler|ema|encoder|decoder)$")

_DEEPEST = 3


def note_reference(machine: Machine, value: Value, site: Site) -> None:
    """`model.state_dict` was read and not called: where it was, in case it is saved."""
    for _, plain in alternatives(value):
        if _is_state_dict(machine, plain):
            machine.notes.uncalled[plain] = site


def _is_state_dict(machine: Machine, value: Value) -> bool:
    """The method of a module or an optimizer; other objects may keep a dict under that name."""
    if isinstance(value, Bound) and isinstance(value.function, Function):
        return value.function.name == "state_dict"
    if not isinstance(value, Method) or value.name != "state_dict":
        return False
    owner = value.receiver
    if isinstance(owner, Ref):
        return machine.info(owner).kind in ("module", "foreign")
    return isinstance(owner, Opaque) and _NAMED_SO.search(owner.symbol) is not None


def note_saved(machine: Machine, value: Value, use: str = "saved", depth: int = 0) -> None:
    """What is saved, or loaded, is a `state_dict` that was not called, or has one in it."""
    if not machine.notes.uncalled:
        return
    for _, plain in alternatives(value):
        site = machine.notes.uncalled.get(plain)
        if site is not None:
            machine.events.slips.append(SlipEvent("uncalled", site, use))
        elif isinstance(plain, TupleValue) and depth < _DEEPEST:
            for item in plain.items:
                note_saved(machine, item, use, depth + 1)
        elif isinstance(plain, Ref) and machine.info(plain).kind in ("dict", "list") and depth < _DEEPEST:
            for name in machine.info(plain).names:
                inner = machine.get(plain, name)
                if inner is not None:
                    note_saved(machine, inner, use, depth + 1)


def note_handed(machine: Machine, keywords: dict[str, Value]) -> None:
    """`trainer.add_event_handler(..., to_save={"model": model})`: ignite's handlers save it later."""
    if _SAVED_LATER in keywords:
        note_saved(machine, keywords[_SAVED_LATER])


def note_load(
    machine: Machine,
    source: Value,
    targets: tuple[TargetCase, ...],
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> None:
    """`target.load_state_dict(source, ...)`."""
    note_saved(machine, source, "loaded")
    plain = [one for _, one in alternatives(source)]
    if plain and all(_is_path(one) for one in plain):
        machine.events.slips.append(SlipEvent("path", site, symbol_of(plain[0]), targets))
    for name in keywords:
        if name in OF_LOAD:
            machine.events.slips.append(SlipEvent("argument", site, name, targets))
    if len(positional) > 1 and all(_is_device(one) for _, one in alternatives(positional[1])):
        machine.events.slips.append(SlipEvent("argument", site, "", targets))


def note_read(machine: Machine, name: str, keywords: dict[str, Value], site: Site) -> None:
    """`torch.load(path, ...)`."""
    if name in ("torch.load", "torch.serialization.load"):
        for one in keywords:
            if one in OF_LOAD_STATE_DICT:
                machine.events.slips.append(SlipEvent("argument", site, one))


def _is_path(value: Value) -> bool:
    """A text. What is only named like a path may hold what was loaded from there."""
    return isinstance(value, Text) or (isinstance(value, Const) and isinstance(value.value, str))


def _is_device(value: Value) -> bool:
    if isinstance(value, Opaque):
        return value.symbol.startswith("torch.device(")
    return isinstance(value, Const) and isinstance(value.value, str)
