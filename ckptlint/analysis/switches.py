"""Switches: constants at the top of a script that its user is meant to edit.

    compile = False        # use PyTorch 2.0 to compile the model
    GPU_ID = "0"
    ...
    if compile:
        model = torch.compile(model)

The value that happens to stand there decides nothing: the file may have been written with another one. Such a name is
one that speaks of the machine, the launch or where training starts, given a constant once, at module level; the same
holds for attributes of configuration objects and classes that are filled there.
"""

from __future__ import annotations

import re

from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import is_environment
from ckptlint.analysis.values import Const, Opaque, TupleValue, Value
from ckptlint.facts import ir

_START = re.compile(r"(?i)resume|restore|continue_|from_scratch|finetune|fine_tune|load_")
_STARTS = frozenset(("init_from", "start_from", "train_from"))


def value_of(machine: Machine, target: ir.Expr, value: Value) -> Value:
    """The value to bind: the constant, or for a switch an unknown of the switch's name."""
    frame = machine.frames[-1]
    if isinstance(target, ir.Attribute) and target.name.isupper() and _is_flag(value):
        # cfg.MODEL.USE_FOCAL = True, wherever a project fills in its configuration
        return Opaque(target.name)
    if frame.unit or not _is_constant(value):
        return value
    if isinstance(target, ir.Attribute) and (_is_flag(value) or is_environment(target.name)):
        # cfg.GPUS = (0,), cfg.RESUME = False: defaults, which files and options overwrite
        return Opaque(target.name)
    if not isinstance(target, ir.Name) or target.name.startswith("__"):
        return value
    if not is_environment(target.name) and not _chooses_a_start(target.name, value):
        return value
    if frame.owner is not None:
        return Opaque(f"{machine.classes[frame.owner].name}.{target.name}")
    file = frame.file
    if file not in machine.assigned_once:
        machine.assigned_once[file] = _assigned_once(machine.store.skeleton(file).body)
    return Opaque(target.name) if target.name in machine.assigned_once[file] else value


def _chooses_a_start(name: str, value: Value) -> bool:
    """`resume = False`, `init_from = "scratch"`: whether training begins anew."""
    if _is_flag(value):
        return _START.search(name) is not None
    return isinstance(value, Const) and isinstance(value.value, str) and name in _STARTS


def _is_flag(value: Value) -> bool:
    return isinstance(value, Const) and isinstance(value.value, bool)


def _is_constant(value: Value) -> bool:
    if isinstance(value, TupleValue):
        return all(_is_constant(item) for item in value.items)
    return isinstance(value, Const) and value.value is not None


def _assigned_once(body: tuple[ir.Stmt, ...]) -> frozenset[str]:
    counts: dict[str, int] = {}
    _count(body, counts)
    return frozenset(name for name, count in counts.items() if count == 1)


def _count(body: tuple[ir.Stmt, ...], counts: dict[str, int]) -> None:
    for statement in body:
        if isinstance(statement, ir.Assign):
            for target in statement.targets:
                if isinstance(target, ir.Name):
                    counts[target.name] = counts.get(target.name, 0) + 1
        elif isinstance(statement, ir.AugAssign) and isinstance(statement.target, ir.Name):
            counts[statement.target.name] = counts.get(statement.target.name, 0) + 2
        for inner in ("body", "orelse", "final"):
            block = getattr(statement, inner, ())
            if isinstance(block, tuple) and not isinstance(statement, ir.ClassDef):
                _count(block, counts)
        if isinstance(statement, ir.Try):
            for handler in statement.handlers:
                _count(handler.body, counts)
