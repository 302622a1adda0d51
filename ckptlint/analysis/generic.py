"""Objects of classes that nobody in the project makes: a framework, or a user, will.

    class Detector(nn.Module):
        @configurable
        def __init__(self, *, backbone, criterion): ...
        @classmethod
        def from_config(cls, cfg): return {"backbone": ..., "criterion": SetCriterion(...)}

`Detector(cfg)` is what detectron2 will call: the arguments of `__init__` are what `from_config` gives. Any other class
is made with arguments of which only the names are known.
"""

from __future__ import annotations

from ckptlint.analysis import assignments, calls, classes, functions
from ckptlint.analysis.machine import Frame, Machine
from ckptlint.analysis.values import Bound, ClassValue, Function, Opaque, Ref, Site, Value
from ckptlint.facts import ir

_MOST_CLASSES = 3
_MOST_WITH_LOSS = 8


def concrete(machine: Machine, key: int) -> list[ClassValue]:
    """The classes at the bottom of the tree below a class, among those that were seen: a few, and some for each loss
    that a class in between registers."""
    own = ClassValue(key, machine.classes[key].name)
    below = [
        ClassValue(index, info.name)
        for index, info in enumerate(machine.classes)
        if index != key and own in classes.resolution_order(machine, ClassValue(index, info.name))
    ]
    leaves = [cls for cls in below if not any(cls in machine.classes[other.key].bases for other in below)]
    chosen = leaves[:_MOST_CLASSES]
    seen = {one for cls in chosen for one in classes.resolution_order(machine, cls)}
    for cls in leaves[_MOST_CLASSES:]:
        order = classes.resolution_order(machine, cls)
        if any(one not in seen and isinstance(one, ClassValue) and _names_a_loss(machine, one) for one in order):
            chosen.append(cls)
            seen.update(order)
        if len(chosen) >= _MOST_WITH_LOSS:
            break
    return chosen or [own]


def makes_a_loss(machine: Machine, cls: ClassValue) -> bool:
    """Whether the class, or one that it comes from, makes a loss when it is made."""
    order = classes.resolution_order(machine, cls)
    return any(isinstance(one, ClassValue) and _names_a_loss(machine, one) for one in order)


def _names_a_loss(machine: Machine, cls: ClassValue) -> bool:
    info = machine.class_info(cls)
    rows = [
        machine.store.headers(info.file)[statement.unit]
        for statement in info.node.body
        if isinstance(statement, ir.FunctionStub) and statement.name == "__init__"
    ]
    lines = machine.lines(info.file)
    return any("Loss(" in line for header in rows for line in lines[header.first_row - 1 : header.last_row])


def make(machine: Machine, cls: ClassValue) -> Ref | None:
    """An object of the class; None when its `__init__` does not give one."""
    site = Site(machine.classes[cls.key].file, 0, 0)
    machine.frames = [Frame(machine.memory.new_owner(), site.file, 0, ())]
    init = classes.attribute(machine, cls, "__init__")
    arguments: tuple[Value, ...] = ()
    keywords: dict[str, Value] = {}
    if isinstance(init, Function):
        configured = _from_config(machine, cls, init, site)
        if configured is not None:
            keywords = configured
        else:
            arguments = _unknown_arguments(machine, init)
            code = functions.code_of(machine, machine.functions[init.key])
            if code is not None and any(one.kind == "**" for one in code.params):
                keywords = {"**": Opaque("more arguments")}
    made = classes.instantiate(machine, cls, arguments, keywords, site)
    if not isinstance(made, Ref):
        return None
    machine.generic[cls.key] = made
    return made


def _from_config(machine: Machine, cls: ClassValue, init: Function, site: Site) -> dict[str, Value] | None:
    """What `from_config` gives to an `__init__` under detectron2's `@configurable`."""
    code = functions.code_of(machine, machine.functions[init.key])
    if not isinstance(code, ir.FunctionDef) or not any(_is_configurable(one) for one in code.decorators):
        return None
    method = classes.attribute(machine, cls, "from_config")
    if not isinstance(method, Function):
        return None
    given = calls.call(machine, Bound(method, cls), (Opaque("cfg"),), {}, site)
    if not isinstance(given, Ref) or machine.info(given).kind != "dict":
        return None
    return {name: value for name in machine.info(given).names if (value := machine.get(given, name)) is not None}


def _is_configurable(decorator: ir.Expr) -> bool:
    return isinstance(decorator, ir.Name) and decorator.name == "configurable"


def _unknown_arguments(machine: Machine, function: Function) -> tuple[Value, ...]:
    code = functions.code_of(machine, machine.functions[function.key])
    if code is None:
        return ()
    names = [one.name for one in code.params if one.kind in ("positional", "normal")]
    return tuple(Opaque(option(name)) for name in names[1:])


def option(name: str) -> str:
    """A parameter that holds the options is called by the one name that options have."""
    return "args" if name in assignments.OPTIONS else name
