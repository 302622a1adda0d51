"""Names: local, enclosing, global, built in."""

from __future__ import annotations

import builtins

from ckptlint.analysis import imports
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.objects import FunctionInfo
from ckptlint.analysis.values import External, Function, Opaque, Value, alternatives, choose
from ckptlint.facts import ir

_BUILTINS = frozenset(dir(builtins))


def bind(machine: Machine, name: str, value: Value) -> None:
    """Give a name of the function being run a value."""
    frame = machine.frames[-1]
    scope = frame.scope
    if name in frame.globals_here:
        scope = imports.module_scope(machine, frame.file)
    elif name in frame.nonlocals_here:
        scope = next((parent for parent in frame.parents if machine.memory.read(parent, name) is not None), frame.scope)
    machine.memory.write(scope, name, value)


def unbind(machine: Machine, name: str) -> None:
    """`del name`."""
    machine.memory.delete(machine.frames[-1].scope, name)


def lookup(machine: Machine, name: str) -> Value:
    """What a name means in the function being run."""
    frame = machine.frames[-1]
    cells = machine.memory.cells
    for scope in (frame.scope, *frame.parents):
        value = cells.get((scope, name))
        if value is not None:
            if name in frame.ruled_out and scope == frame.scope:
                value = _left(value, *frame.ruled_out[name])
            return machine.narrow(imports.settled(machine, scope, name, value))
    value = imports.global_name(machine, frame.file, name)
    if value is not None:
        return machine.narrow(value)
    if name in _BUILTINS:
        return External("builtins." + name)
    return Opaque(name)


def _left(value: Value, asked: Value, ruled_out: frozenset[Value]) -> Value:
    """What the name means where some values of the one that was `asked` about are ruled out."""
    if value is not asked:
        return value
    return choose([case for case in alternatives(value) if case[1] not in ruled_out], "ruled out")


def new_function(machine: Machine, name: str, node: ir.FunctionDef | ir.Lambda, kind: str) -> Function:
    """A function defined inside the function being run."""
    frame = machine.frames[-1]
    parents = (frame.scope, *frame.parents)
    machine.functions.append(FunctionInfo(name, node, frame.file, frame.unit, parents, kind=kind))
    return Function(len(machine.functions) - 1, name)
