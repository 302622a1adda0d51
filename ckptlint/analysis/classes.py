"""Classes of the project: their order of resolution, their attributes, and making objects of them."""

from __future__ import annotations

from ckptlint.analysis import functions, modules, training
from ckptlint.analysis.machine import Frame, Machine
from ckptlint.analysis.objects import ClassInfo
from ckptlint.analysis.values import (
    Bound,
    Choice,
    ClassValue,
    External,
    Function,
    Ref,
    Site,
    Value,
)
from ckptlint.facts import ir
from ckptlint.knowledge import Saved, Wrapper

_DEEPEST_BASES = 24

_MODULE = External("torch.nn.Module")


def define(machine: Machine, node: ir.ClassDef) -> ClassValue:
    """A `class` statement: its bases are evaluated, its body is run in a scope of its own."""
    from ckptlint.analysis import expressions, statements

    frame = machine.frames[-1]
    bases: list[Value] = []
    for base in node.bases:
        value = expressions.evaluate(machine, base.value)
        if base.keyword is None:
            bases.append(value.alternatives[0][1] if isinstance(value, Choice) else value)
    decorators = tuple(expressions.evaluate(machine, one) for one in node.decorators)
    scope = machine.memory.new_owner()
    made = ClassValue(len(machine.classes), node.name)
    machine.classes.append(
        ClassInfo(node.name, frame.file, node, frame.unit, tuple(bases), scope, frame.scope, decorators)
    )
    parents = (frame.scope, *frame.parents)
    machine.frames.append(Frame(scope, frame.file, frame.unit, parents, owner=made.key))
    statements.run_block(machine, node.body)
    machine.frames.pop()
    return made


def resolution_order(machine: Machine, cls: Value) -> list[ClassValue | External]:
    """The class and its bases, depth first, a shared base last."""
    order: list[ClassValue | External] = []
    _walk(machine, cls, order, 0)
    return order


def _walk(machine: Machine, cls: Value, order: list[ClassValue | External], depth: int) -> None:
    if depth > _DEEPEST_BASES or not isinstance(cls, (ClassValue, External)):
        return
    if cls in order:
        order.remove(cls)
    order.append(cls)
    if isinstance(cls, ClassValue):
        for base in machine.class_info(cls).bases:
            _walk(machine, base, order, depth + 1)


def external_bases(machine: Machine, cls: Value) -> list[str]:
    """The dotted names of the classes from outside that a class comes from."""
    return [one.name for one in resolution_order(machine, cls) if isinstance(one, External)]


def has_unknown_base(machine: Machine, cls: Value) -> bool:
    """Whether some base could not be found."""
    return any(
        not isinstance(base, (ClassValue, External))
        for one in resolution_order(machine, cls)
        if isinstance(one, ClassValue)
        for base in machine.class_info(one).bases
    )


def is_module(machine: Machine, cls: Value) -> bool:
    """Whether objects of the class are torch modules."""
    return any(machine.knowledge.is_module_class(name) for name in external_bases(machine, cls))


def wrapper_of(machine: Machine, cls: Value) -> Wrapper | None:
    """The wrapper that the class is, or is a subclass of."""
    for name in external_bases(machine, cls):
        wrapper = machine.knowledge.wrapper(name)
        if wrapper is not None:
            return wrapper
    return None


def saved_by(machine: Machine, cls: ClassValue) -> Saved | None:
    """The framework that saves objects of the class by itself."""
    bases = set(external_bases(machine, cls))
    registries = {name for one in machine.class_info(cls).node.decorators if (name := _registry(one))}
    for saved in machine.knowledge.saved:
        if bases & saved.bases or registries & saved.registries:
            return saved
    return None


def _registry(decorator: ir.Expr) -> str:
    """`@META_ARCH_REGISTRY.register()` by the name of the registry, whether detectron2 is installed or copied in."""
    inner = decorator.func if isinstance(decorator, ir.Call) else decorator
    if isinstance(inner, ir.Attribute) and inner.name in ("register", "register_module"):
        owner = inner.value
        return owner.name if isinstance(owner, (ir.Name, ir.Attribute)) else ""
    return ""


def attribute(machine: Machine, cls: Value, name: str, after: int | None = None) -> Value | None:
    """An attribute of the class or its project bases; with `after`, only of what comes after that class."""
    passed = after is None
    for one in resolution_order(machine, cls):
        if passed and one == _MODULE and name in machine.knowledge.module.methods:
            return None  # torch's own comes before that of a mixin
        if passed and isinstance(one, ClassValue):
            value = machine.memory.read(machine.class_info(one).scope, name)
            if value is not None:
                return machine.narrow(value)
        if isinstance(one, ClassValue) and one.key == after:
            passed = True
    return None


def bound(machine: Machine, value: Value, receiver: Value, cls: Value, site: Site) -> Value:
    """What reading a class attribute through an object gives: functions are bound, properties are called."""
    if isinstance(value, Function):
        kind = machine.functions[value.key].kind
        if kind == "static":
            return value
        if kind == "class":
            return Bound(value, cls)
        if kind == "property":
            return functions.call_function(machine, value, (receiver,), {}, site)
        return Bound(value, receiver)
    return value


def instantiate(
    machine: Machine, cls: ClassValue, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """Make an object and run its `__init__`."""
    module = is_module(machine, cls)
    made = machine.new_object("module" if module else "instance", cls, site)
    wrapper = wrapper_of(machine, cls)
    if wrapper is not None:
        info = machine.info(made)
        info.wrapper, info.token = wrapper, wrapper.token
    if machine.steps.build():
        try:
            initialise(machine, made, cls, None, positional, keywords, site)
        finally:
            machine.steps.built()
    else:
        initialise(machine, made, cls, None, positional, keywords, site)
    if not module:
        training.made(machine, made, positional, keywords, site)
    return made


def initialise(
    machine: Machine,
    made: Ref,
    cls: Value,
    after: int | None,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> None:
    """`__init__`, the project's or that of a class from outside; with `after`, as `super().__init__` in that class."""
    init = attribute(machine, cls, "__init__", after)
    if isinstance(init, Function):
        functions.call_function(machine, init, (made, *positional), keywords, site)
        return
    if after is None and isinstance(cls, ClassValue) and _is_dataclass(machine, cls):
        _fill_fields(machine, made, cls, positional, keywords)
        return
    for name in external_bases(machine, cls):
        if modules.initialise_external(machine, made, name, positional, keywords, site):
            return


def _is_dataclass(machine: Machine, cls: ClassValue) -> bool:
    return any(
        "dataclass" in getattr(one, "name", getattr(one, "symbol", "")) for one in machine.class_info(cls).decorators
    )


def _fill_fields(
    machine: Machine, made: Ref, cls: ClassValue, positional: tuple[Value, ...], keywords: dict[str, Value]
) -> None:
    fields = [
        statement.targets[0].name
        for statement in machine.class_info(cls).node.body
        if isinstance(statement, ir.Assign) and statement.annotation is not None
        if isinstance(statement.targets[0], ir.Name)
    ]
    for name, value in zip(fields, positional, strict=False):
        machine.set(made, name, value)
    for name, value in keywords.items():
        machine.set(made, name, value)
