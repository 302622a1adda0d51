"""Reading and writing attributes.

An attribute of a module is looked for where torch looks: in the object, in its class, and, for wrappers that let it
through (torch.compile), in the wrapped module. DataParallel lets nothing through: `model.backbone` on a wrapped model
raises, and so does `model.module` on a bare one. The second is noted, since it is a common bug.
"""

from __future__ import annotations

import re

from ckptlint.analysis import classes, entries, functions, imports, loaded, results, shapes, training
from ckptlint.analysis.events import LoadedUnwrapEvent, ModuleAccessEvent, TensorEvent
from ckptlint.analysis.guards import Guard, both, covering, negation
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import (
    NONE,
    TENSOR,
    Bound,
    Choice,
    ClassValue,
    Const,
    Content,
    External,
    Function,
    Key,
    KeyPieces,
    Keys,
    LoadResult,
    Method,
    Opaque,
    Package,
    Partial,
    PythonModule,
    Ref,
    Site,
    SuperValue,
    TensorValue,
    Text,
    TupleValue,
    Value,
    alternatives,
    choose,
)

#: Attributes that only wrapped modules have.
UNWRAPPING = ("module", "_orig_mod")


class Missing:
    """The object has no such attribute."""


MISSING = Missing()


def read(machine: Machine, owner: Value, name: str, site: Site) -> Value:
    """`owner.name`."""
    if name in UNWRAPPING:
        return _unwrap(machine, owner, name, site)
    return spread(machine, owner, lambda plain: _present(machine, plain, name, site))


def _present(machine: Machine, owner: Value, name: str, site: Site) -> Value:
    value = find(machine, owner, name, site)
    if isinstance(value, Missing):
        return Opaque(shorten(f"{symbol_of(owner)}.{name}"))
    if isinstance(value, Method) and isinstance(owner, Opaque) and name in machine.knowledge.module.returns_self:
        # Not called: `args.cuda` is an option, not the method of a module.
        return Opaque(shorten(f"{owner.symbol}.{name}"))
    return value


def _unwrap(machine: Machine, owner: Value, name: str, site: Site) -> Value:
    """`owner.module`: which alternatives have it, which lack it."""
    present: list[Guard] = []
    absent: list[Guard] = []
    results: list[tuple[Guard, Value]] = []
    unknown = False
    before = machine.guard
    bare = True
    for guard, plain in alternatives(owner):
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        value = find(machine, plain, name, site)
        if isinstance(value, Missing):
            if plain in machine.refuted or _is_asked_about(joined, plain):
                continue
            absent.append(guard)
            # A class asks itself for what it holds, which something unseen may have put there, never for a wrapper.
            bare = bare and plain != machine.frames[-1].receiver and _is_of_project(machine, plain)
            continue
        if isinstance(plain, Ref) and machine.info(plain).wrapper is not None:
            present.append(guard)
        else:
            unknown = True
        results.append((guard, value))
    machine.guard = before
    sure = not absent and bool(results) and not any(isinstance(value, Opaque) for _, value in results)
    for block in machine.tries[-1:]:
        block.sure = sure and block.sure is not False
    handled = _note_missing(machine, absent, always=len(absent) == len(alternatives(machine.narrow(owner))))
    if present or absent:
        chains = dict.fromkeys(shape.wrappers for _, shape in shapes.of_value(machine, owner)) if present else ()
        machine.events.accesses.append(
            ModuleAccessEvent(
                site,
                name,
                tuple(present),
                tuple(absent),
                unknown or machine.vague,
                handled,
                machine.run,
                before,
                tuple(chains),
                bare and not present and not unknown,
            )
        )
    if not results:
        return Opaque(shorten(f"{symbol_of(owner)}.{name}"))
    if handled:  # the rest of the `try` is for those that have it
        machine.guard = both(before, covering(negation(absent))) or before
    return choose(results, "unwrapped")


def _is_asked_about(guard: Guard, plain: Value) -> bool:
    """Whether the code is here because of what a function that is not known said of this object: it may know better.

    `if is_module_wrapper(model): model = model.module`
    """
    name = re.escape(symbol_of(plain))
    given = re.compile(rf"[(,]\s*{name}\s*[,)]")
    return any(given.search(literal.symbol) is not None for literal in guard)


def _is_of_project(machine: Machine, plain: Value) -> bool:
    """A module of a class of the project, perhaps inside wrappers that let its attributes through."""
    if not isinstance(plain, Ref):
        return False
    info = machine.info(plain)
    if info.wrapper is None or not info.wrapper.inherits:
        return isinstance(info.cls, ClassValue)
    inner = machine.get(plain, info.token or "module")
    return inner is not None and all(_is_of_project(machine, one) for _, one in alternatives(inner))


def _note_missing(machine: Machine, absent: list[Guard], *, always: bool) -> bool:
    """Tell the `try` around that an AttributeError is raised in these cases, or always."""
    if not absent:
        return False
    for block in reversed(machine.tries):
        if block.catches_any("AttributeError"):
            block.raised.extend(absent)
            block.failed = always and block is machine.tries[-1]
            return True
    return False


def has(machine: Machine, owner: Value, name: str, site: Site) -> Value:
    """`hasattr(owner, name)`, for a plain owner."""
    if isinstance(owner, Ref) and machine.info(owner).kind == "file":
        asked = loaded.has_attribute(machine.info(owner), name)
        if asked is not None:
            return asked
    value = find(machine, owner, name, site)
    if isinstance(value, Missing):
        return Const(False)
    if isinstance(owner, Opaque) or (isinstance(value, Opaque) and isinstance(owner, Ref)):
        if isinstance(owner, Opaque) and owner.fresh and name in UNWRAPPING:
            return Const(False)
        return Opaque(shorten(f"hasattr({symbol_of(owner)}, {name!r})"))
    return Const(True)


def find(machine: Machine, owner: Value, name: str, site: Site) -> Value | Missing:
    """`owner.name` for a plain owner, MISSING where that certainly raises."""
    if isinstance(owner, Ref):
        return _of_object(machine, owner, name, site)
    if isinstance(owner, (PythonModule, Package, External)):
        if name == "__dict__":
            return Opaque(shorten(f"{symbol_of(owner)}.__dict__"), fresh=True)
        return imports.member(machine, owner, name)
    if isinstance(owner, Opaque):
        return _of_opaque(machine, owner, name)
    if isinstance(owner, ClassValue):
        if name == "__name__":  # registries enter a class under its own name
            return Const(owner.name.rpartition(".")[2])
        value = classes.attribute(machine, owner, name)
        if value is not None:
            return classes.bound(machine, value, owner, owner, site) if _is_class_method(machine, value) else value
        bases = classes.external_bases(machine, owner)
        return Method(owner, name) if bases else Opaque(f"{owner.name}.{name}")
    if isinstance(owner, SuperValue):
        return _of_super(machine, owner, name, site)
    if isinstance(owner, (Const, Text, Key, KeyPieces, Keys, TupleValue)):
        return Method(owner, name)
    if isinstance(owner, LoadResult):
        return results.attribute(machine, owner, name, site)
    if isinstance(owner, TensorValue):
        return owner if name in ("data", "grad", "T") else Method(owner, name)
    if isinstance(owner, Partial) and name == "func":
        return owner.function
    if isinstance(owner, (Function, Bound, Method, Content)):
        return Opaque(shorten(f"{symbol_of(owner)}.{name}"))
    return Opaque(shorten(f"{symbol_of(owner)}.{name}"))


def _is_class_method(machine: Machine, value: Value) -> bool:
    return isinstance(value, Function) and machine.functions[value.key].kind == "class"


def _of_opaque(machine: Machine, owner: Opaque, name: str) -> Value | Missing:
    holder = machine.opaque_owners.get(owner.symbol)
    if holder is not None:
        value = machine.get(Ref(holder), name)
        if value is not None:
            return value
    if name in machine.knowledge.module.methods or name in machine.knowledge.module.returns_self:
        return Method(owner, name)
    if owner.fresh and name in UNWRAPPING:
        return MISSING
    return Opaque(shorten(f"{owner.symbol}.{name}"), fresh=owner.fresh and name not in UNWRAPPING)


def _of_super(machine: Machine, owner: SuperValue, name: str, site: Site) -> Value:
    cls: Value = ClassValue(owner.key, machine.classes[owner.key].name)
    if isinstance(owner.receiver, Ref):
        cls = machine.info(owner.receiver).cls or cls
    elif isinstance(owner.receiver, ClassValue):
        cls = owner.receiver
    value = classes.attribute(machine, cls, name, after=owner.key)
    if value is not None:
        return classes.bound(machine, value, owner.receiver, cls, site)
    return Method(owner, name)


def _of_object(machine: Machine, owner: Ref, name: str, site: Site) -> Value | Missing:
    info = machine.info(owner)
    value = machine.get(owner, name) if name != entries.BULK else None
    if value is not None and info.kind not in ("dict", "list", "file"):
        return value
    if info.kind in ("dict", "list"):
        return Method(owner, name)
    if info.kind == "file":
        if name in UNWRAPPING:
            return _unwrapped_from_file(machine, owner, name, site)
        return Method(owner, name)
    if info.kind == "opaque":
        return Opaque(f"<object {owner.id}>.{name}")
    if info.cls is not None:
        value = classes.attribute(machine, info.cls, name)
        if value is not None:
            return classes.bound(machine, value, owner, info.cls, site)
    if info.kind == "foreign":
        assert isinstance(info.cls, External)
        if name in machine.knowledge.module.methods or name in machine.knowledge.module.returns_self:
            return Method(owner, name)
        if name in UNWRAPPING:
            return MISSING
        return Opaque(shorten(f"{info.cls.name}.{name}"))
    if info.kind == "module":
        return _of_module(machine, owner, name, site)
    if name in UNWRAPPING:
        return Opaque(f"<object {owner.id}>.{name}")
    return Opaque(shorten(f"{_described(machine, owner)}.{name}"))


def _unwrapped_from_file(machine: Machine, owner: Ref, name: str, site: Site) -> Value:
    info = machine.info(owner)
    if info.file is not None and not info.foreign:
        handled = any(block.catches_any("AttributeError") for block in machine.tries)
        machine.events.loaded_unwraps.append(
            LoadedUnwrapEvent(site, name, info.file, info.entry, machine.guard, handled)
        )
    return entries.item(machine, owner, Const("." + name), site)


def _described(machine: Machine, owner: Ref) -> str:
    """An attribute that is not known is the same for every object of a class: `Trainer.distributed`."""
    cls = machine.info(owner).cls
    return cls.name if isinstance(cls, (ClassValue, External)) else f"<object {owner.id}>"


def _of_module(machine: Machine, owner: Ref, name: str, site: Site) -> Value | Missing:
    info = machine.info(owner)
    facts = machine.knowledge.module
    if info.wrapper is not None and not info.token and name in UNWRAPPING:
        inner = machine.get(owner, "module")
        return inner if inner is not None else Opaque("module")
    if info.wrapper is not None and (info.wrapper.inherits or _forwards(machine, info.cls)):
        inner = machine.get(owner, info.token or "module")
        if inner is not None and name not in facts.methods and name not in facts.returns_self:
            found = spread(machine, inner, lambda plain: _or_missing(find(machine, plain, name, site)))
            return MISSING if found == Opaque("<missing>") else found
    if name in facts.methods or name in facts.returns_self:
        return Method(owner, name)
    if name in UNWRAPPING:
        own = classes.attribute(machine, info.cls, "__getattr__") if info.cls is not None else None
        if isinstance(own, Function):
            return functions.call_function(machine, own, (owner, Const(name)), {}, site)
        unknown_base = isinstance(info.cls, ClassValue) and classes.has_unknown_base(machine, info.cls)
        return Opaque(f"<object {owner.id}>.{name}") if unknown_base else MISSING
    # A wrapper lets nothing through: what it gives is an AttributeError, or something that nobody here knows.
    return Opaque(shorten(f"{_described(machine, owner)}.{name}"), fresh=info.wrapper is None)


def _or_missing(value: Value | Missing) -> Value:
    return Opaque("<missing>") if isinstance(value, Missing) else value


def _forwards(machine: Machine, cls: Value | None) -> bool:
    """Whether the class hands unknown attributes on to the wrapped module by a `__getattr__` of its own."""
    return isinstance(cls, ClassValue) and classes.attribute(machine, cls, "__getattr__") is not None


def module_item(machine: Machine, owner: Ref, index: Value, site: Site) -> Value:
    """`model[0]`, `nets["g"]` on a container module, or an object with `__getitem__`."""
    if isinstance(index, Const):
        value = machine.get(owner, str(index.value))
        if value is not None:
            return value
    bulk = machine.get(owner, entries.BULK)
    if bulk is not None and bulk != NONE:
        return bulk
    return Opaque(shorten(f"<object {owner.id}>[{symbol_of(index)}]"), fresh=machine.info(owner).kind == "module")


def write(machine: Machine, owner: Value, name: str, value: Value, site: Site) -> None:
    """`owner.name = value`."""
    if name == "last_epoch":
        training.set_by_hand(machine, owner, name, site)
    if isinstance(owner, Choice):
        write_each(machine, owner, name, value, site)
        return
    if isinstance(owner, Opaque):
        machine.set(Ref(machine.opaque_owner(owner)), name, value, site)
    elif isinstance(owner, ClassValue):
        machine.memory.write(machine.class_info(owner).scope, name, value)
    elif isinstance(owner, PythonModule):
        machine.memory.write(imports.module_scope(machine, owner.file), name, value)
    elif isinstance(owner, Ref):
        _note_tensor(machine, owner, name, value, site)
        machine.set(owner, name, value, site)


def _note_tensor(machine: Machine, owner: Ref, name: str, value: Value, site: Site) -> None:
    """A module that keeps a tensor as a plain attribute; what is registered by that name stays registered."""
    info = machine.info(owner)
    if info.kind != "module" or not isinstance(info.cls, ClassValue) or name in info.buffers:
        return
    if any(_is_tensor(machine, plain) for _, plain in alternatives(value)):
        machine.events.tensors.append(TensorEvent(site, name, owner.id, info.cls.name))


def _is_tensor(machine: Machine, value: Value) -> bool:
    if isinstance(value, Opaque):
        return value.kind == TENSOR
    cls = machine.info(value).cls if isinstance(value, Ref) else None
    if not isinstance(cls, External):
        return False
    legacy = cls.name.startswith("torch.") and cls.name.endswith("Tensor")  # torch.FloatTensor(...)
    return legacy or machine.knowledge.made(cls.name) == TENSOR


def write_each(machine: Machine, owner: Choice, name: str, value: Value, site: Site) -> None:
    """`owner.name = value` where the owner differs: in each object the write happens under its guard."""
    for guard, plain in owner.alternatives:
        if isinstance(plain, Ref):
            before = machine.memory.read(plain.id, name)
            if before is None:
                machine.set(plain, name, value, site)
            else:
                others = [other for other, one in owner.alternatives if one != plain]
                cases: list[tuple[Guard, Value]] = [(guard, value), *((other, before) for other in others)]
                machine.set(plain, name, choose(cases, name), site)
