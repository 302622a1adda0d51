"""What a run does with the parts of training beside the model: it steps them, takes their state, gives it back.

    optimizer.step()                                  used
    {"optimizer": optimizer.state_dict()}             kept
    optimizer.load_state_dict(ckpt["optimizer"])      given back
    start_epoch = ckpt["epoch"] + 1                   progress, out of a file

These are noted for `resume` and `schedules`, which ask what is missing and what comes in the wrong order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ckptlint.analysis import classes
from ckptlint.analysis.events import ProgressEvent, TrainingEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import NONE, Choice, ClassValue, Const, External, Opaque, Ref, Site, Value, alternatives

#: The methods that are noted.
ACTS = frozenset(("step", "update", "update_parameters", "state_dict", "load_state_dict"))

_KEEPING = frozenset(("state_dict", "load_state_dict"))

#: Parts of which it matters when they are made.
_MADE = ("optimizer", "scheduler")
_DEEPEST = 3
_OBJECT = re.compile(r"<object (\d+)>")


def role_of(machine: Machine, value: Value) -> str:
    """The role of a plain value; "" for none."""
    if isinstance(value, Opaque):
        return machine.roles.of_symbol(value.symbol)
    if not isinstance(value, Ref):
        return ""
    info = machine.info(value)
    if info.kind == "foreign":
        return machine.roles.of_class(info.cls.name) if isinstance(info.cls, External) else ""
    if info.kind not in ("instance", "module") or info.cls is None:
        return ""
    names = [one.name for one in classes.resolution_order(machine, info.cls)]
    return next((role for name in names if (role := machine.roles.of_class(name))), "")


def noted(
    machine: Machine, owner: Value, act: str, positional: tuple[Value, ...], keywords: Mapping[str, Value], site: Site
) -> None:
    """Note `owner.act(...)`, if it is about training."""
    if isinstance(owner, Ref) and machine.info(owner).kind in ("dict", "list", "file"):
        return
    role = role_of(machine, owner)
    if act not in _KEEPING and act not in machine.roles.used_by.get(role, ()):
        return
    if act in _KEEPING and not isinstance(owner, (Ref, Opaque)):
        return
    _note(machine, owner, role, act, positional, keywords, site)
    if role == "scaler" and act == "step":
        for _, plain in alternatives(positional[0]) if positional else ():
            if (stepped := role_of(machine, plain)) == "optimizer":
                _note(machine, plain, stepped, act, (), {}, site)


def _note(
    machine: Machine,
    owner: Value,
    role: str,
    act: str,
    positional: tuple[Value, ...],
    keywords: Mapping[str, Value],
    site: Site,
) -> None:
    given = tuple(value for value in (*positional, *keywords.values()) if value != NONE)
    files = frozenset(file for value in given for file in files_in(machine, value)) if act in _KEEPING else frozenset()
    machine.events.training.append(
        TrainingEvent(
            site,
            act,
            role,
            key_of(owner),
            bool(given),
            files,
            machine.guard,
            machine.now(),
            stack=tuple(machine.calls) if act == "load_state_dict" else (),
        )
    )


def made(
    machine: Machine, value: Value, positional: tuple[Value, ...], keywords: Mapping[str, Value], site: Site
) -> None:
    """Note that an optimizer or a scheduler was made at `site`, and of what."""
    role = role_of(machine, value)
    if role not in _MADE:
        return
    given = (*positional, *keywords.values())
    of = frozenset(key for one in given for key in _objects_in(machine, one, 0))
    last_epoch = keywords.get("last_epoch", Const(-1)) != Const(-1)
    key, moment, calls = key_of(value), machine.now(), tuple(machine.calls)
    machine.events.training.append(
        TrainingEvent(site, "made", role, key, last_epoch, frozenset(), machine.guard, moment, of, calls)
    )


def _objects_in(machine: Machine, value: Value, depth: int) -> list[str]:
    """The keys of the objects that a value is, holds or comes from: `[{"params": net.parameters()}]` comes from net."""
    found: list[str] = []
    for _, plain in alternatives(value):
        if isinstance(plain, Opaque):
            found += [match[0] for match in _OBJECT.finditer(plain.symbol)]
            found += [plain.symbol] if role_of(machine, plain) == "optimizer" else []
        elif isinstance(plain, Ref):
            found.append(key_of(plain))
            info = machine.info(plain)
            if info.kind in ("list", "dict") and depth < _DEEPEST:
                for name in info.names:
                    held = machine.memory.read(plain.id, name)
                    found += _objects_in(machine, held, depth + 1) if held is not None else []
    return found


def key_of(value: Value) -> str:
    """What tells one object of a run from another."""
    return f"<object {value.id}>" if isinstance(value, Ref) else symbol_of(value)


def set_by_hand(machine: Machine, owner: Value, name: str, site: Site) -> None:
    """`scheduler.last_epoch = start_epoch - 1`: state that is given back without a state dict."""
    for _, plain in alternatives(owner):
        if role_of(machine, plain) == "scheduler":
            machine.events.training.append(
                TrainingEvent(site, name, "scheduler", key_of(plain), True, frozenset(), machine.guard, machine.now())
            )


def chosen(machine: Machine, value: Choice, site: Site) -> None:
    """`save_model = ema.ema if use_ema else model`: remember where one of several modules was chosen."""
    kinds = [
        plain.fresh if isinstance(plain, Opaque) else _is_module(machine, plain) for _, plain in value.alternatives
    ]
    if all(kinds):
        machine.chosen[value] = site


def _is_module(machine: Machine, plain: Value) -> bool:
    return isinstance(plain, Ref) and machine.info(plain).kind == "module"


def taken(machine: Machine, owner: Value, site: Site) -> None:
    """`save_model.state_dict()`: note where the module was chosen, if it was."""
    if type(owner) is Choice and owner in machine.chosen:
        machine.events.chosen[site] = machine.chosen[owner]


def assigned(machine: Machine, name: str, value: Value) -> None:
    """`start_epoch = ckpt["epoch"] + 1`: a count that goes on from where a file says."""
    if not isinstance(value, Const) and machine.roles.counts(name):
        for file in files_in(machine, value):
            machine.events.progress.append(ProgressEvent(name, file, machine.now()))


def library_call(machine: Machine, name: str) -> None:
    """A call of something unknown, which may save or load everything by itself."""
    last = name.partition("(")[0].partition("@")[0].rpartition(".")[2]
    if machine.roles.keeps_all(last):
        machine.events.kept_elsewhere.add(machine.now().group)


def files_in(machine: Machine, value: Value) -> list[int]:
    """The numbers of the files that a value comes from."""
    found: list[int] = []
    for _, plain in alternatives(value):
        if isinstance(plain, Ref):
            found += _file_of(machine, plain.id)
        elif isinstance(plain, Opaque) and "<object " in plain.symbol:
            for match in _OBJECT.finditer(plain.symbol):
                found += _file_of(machine, int(match[1]))
    return found


def _file_of(machine: Machine, owner: int) -> list[int]:
    info = machine.objects.get(owner)
    return [info.file] if info is not None and info.kind in ("file", "dict") and info.file else []


def class_of(machine: Machine, key: str) -> str:
    """The name of the class of an object that was noted; "" where it is not known."""
    match = _OBJECT.fullmatch(key)
    info = machine.objects.get(int(match[1])) if match else None
    if info is None or not isinstance(info.cls, (External, ClassValue)):
        return key.partition("(")[0].rpartition(".")[2]
    return info.cls.name.rpartition(".")[2]
