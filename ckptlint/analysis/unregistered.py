"""Modules with tensors that a plain list, tuple or dict hides from the module that holds it.

    self.branches = [nn.Linear(8, 8), nn.Linear(8, 8)]     state_dict() has no "branches.0.weight"
    self.heads = {"cls": nn.Linear(8, 10)}                 nor "heads.cls.weight"

torch registers a module that is assigned to an attribute, and looks into no list. So the tree below every module whose
state dict or parameters somebody asked for is walked, and plain containers among the attributes are looked through for
modules with tensors; so are modules of classes that nobody in the project makes (`generic`). A module that is
registered anywhere (`nn.Sequential(*layers)`, `add_module`, `setattr`), that is asked for by itself, or that was handed
to code that is not known, is not hidden.

Some people hide modules on purpose. What looks like that is left alone: a container of one, `self.teacher = [teacher]`,
and classes that gather their parameters or state themselves, by methods of that name or by hooks on the state dict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ckptlint.analysis import classes, entries, shapes
from ckptlint.analysis.fit import keys_of
from ckptlint.analysis.guards import ALWAYS
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.objects import ObjectInfo
from ckptlint.analysis.values import ClassValue, Ref, Shape, Site, TupleValue, Value, alternatives

#: Methods with which a class can take care of its hidden modules itself.
_OWN_CARE = ("state_dict", "parameters", "named_parameters", "__setattr__", "_save_to_state_dict", "modules")

#: Ways in which a class registers what it has hidden, or writes it into its state dict.
_BY_HAND = r"add_module|register_module\(|setattr\(self|register_parameter\(|state_dict_(?:pre_|post_)?hook\("

#: How a module is given a hook on its own state dict.
_HOOKS = re.compile(r"self\._?register_(?:load_)?state_dict_(?:pre_|post_)?hook\(")

_DEEPEST_CONTAINER = 3
_MOST_MODULES = 5_000


class Hidden(msgspec.Struct, frozen=True):
    """An attribute that holds modules in a plain container, and where it gets its value.

    `container` is "list", "tuple" or "dict"; `keys` are examples of those that the state dict lacks; `how` says
    whether the state dict is "taken" or "loaded" at `asked`, or the "parameters" are asked for there; "made" where
    nobody is seen to do any of that. `only_modules` says that the container holds
    nothing else, as ModuleList and ModuleDict want it, and `nested` that there are containers in it.
    """

    site: Site
    owner: str
    attribute: str
    container: str
    keys: tuple[str, ...]
    asked: Site
    how: str
    only_modules: bool
    nested: bool


class _Element(msgspec.Struct, frozen=True):
    """Something in a container, by its path: "0", "1.key". `many`: it stands for what a loop puts there."""

    path: str
    value: Value
    many: bool


def hidden_modules(machine: Machine) -> Iterator[Hidden]:
    """Every such attribute of every module that was asked for, once for each place that gives it its value."""
    before, machine.guard = machine.guard, ALWAYS
    found: dict[tuple[Site, str], Hidden] = {}
    registered: set[int] | None = None
    for root, how, asked in _roots(machine):
        for owner in _below(machine, root):
            for name, site, container in _containers(machine, owner):
                if (site, name) in found or (how == "made" and _may_register(machine, owner, name)):
                    continue
                elements = list(_elements(machine, container))
                if registered is None:
                    registered = _registered(machine)
                keys = _hidden_keys(machine, name, elements, registered)
                if keys is not None:
                    found[(site, name)] = Hidden(
                        site,
                        _name(machine.objects[owner]),
                        name,
                        _kind(machine, container),
                        keys,
                        asked,
                        how,
                        all(_is_module(machine, one.value) for one in elements),
                        any("." in one.path for one in elements),
                    )
    machine.guard = before
    yield from found.values()


def _roots(machine: Machine) -> Iterator[tuple[int, str, Site]]:
    """The modules to begin with, how and where they were asked for: what is saved comes first, the stronger thing to
    say."""
    for root, (how, site) in sorted(machine.asked.items(), key=lambda item: (item[1][0], item[0])):
        yield root, how.partition(" ")[2], site
    for made in machine.generic.values():
        info = machine.objects[made.id]
        if made.id not in machine.asked and info.kind == "module" and info.site is not None:
            yield made.id, "made", info.site


def _may_register(machine: Machine, owner: int, name: str) -> bool:
    """Whether a method of the class, which perhaps nobody has run, may register what the attribute holds."""
    cls = machine.objects[owner].cls
    for one in classes.resolution_order(machine, cls) if cls is not None else ():
        if isinstance(one, ClassValue):
            text = "\n".join(machine.lines(machine.class_info(one).file))
            if re.search(rf"(?:List|Dict|Sequential)\(\*?self\.{re.escape(name)}\b|{_BY_HAND}", text):
                return True
    return False


def _below(machine: Machine, root: int) -> list[int]:
    """The module and the modules registered below it."""
    found = {root: None}
    queue = [root]
    while queue and len(found) < _MOST_MODULES:
        for child in _children(machine, queue.pop()):
            if child not in found and machine.objects[child].kind == "module":
                found[child] = None
                queue.append(child)
    return list(found)


def _children(machine: Machine, owner: int) -> Iterator[int]:
    """The objects that are attributes of a module, or elements of a container module."""
    for name in (*machine.objects[owner].names, entries.BULK):
        value = machine.memory.read(owner, name)
        for _, plain in alternatives(value) if value is not None else ():
            if isinstance(plain, Ref):
                yield plain.id


def _registered(machine: Machine) -> set[int]:
    """Whatever some module, or something that is not known, has as an attribute or was given."""
    found = set(machine.given)
    for owner, info in machine.objects.items():
        if info.kind in ("module", "foreign", "opaque"):
            found.update(_children(machine, owner))
            for value in (*info.positional, *info.keywords.values()) if info.kind == "foreign" else ():
                found.update(one.value.id for one in _elements(machine, value) if isinstance(one.value, Ref))
    for list_id in [one for one in found if one in machine.given]:
        inside = _elements(machine, Ref(list_id))
        found.update(one.value.id for one in inside if isinstance(one.value, Ref))
    return found


def _containers(machine: Machine, owner: int) -> Iterator[tuple[str, Site, Value]]:
    """The attributes of a module that are plain containers: name, where it is set, the container."""
    info = machine.objects[owner]
    if info.wrapper is not None or not isinstance(info.cls, ClassValue):
        return
    plain_ones: list[tuple[str, Site, Value]] = []
    for name, first in info.names.items():
        value = machine.memory.read(owner, name)
        for _, plain in alternatives(value) if value is not None and not name.startswith(("*", "{")) else ():
            site = machine.registered.get((owner, name, plain.id), first) if isinstance(plain, Ref) else first
            if _kind(machine, plain) and site is not None:
                plain_ones.append((name, site, plain))
    if not plain_ones or any(classes.attribute(machine, info.cls, method) is not None for method in _OWN_CARE):
        return
    if not _hooks_state_dict(machine, info.cls):
        yield from plain_ones


def _hooks_state_dict(machine: Machine, cls: ClassValue) -> bool:
    """Whether a method of the class hangs a hook on its own state dict, to write there what is not registered."""
    for one in classes.resolution_order(machine, cls):
        if isinstance(one, ClassValue):
            file = machine.class_info(one).file
            lines = machine.lines(file)
            for unit in machine.store.headers(file):
                if unit.owner == one.name and _HOOKS.search("\n".join(lines[unit.first_row - 1 : unit.last_row])):
                    return True
    return False


def _kind(machine: Machine, value: Value) -> str:
    """ "list", "tuple" or "dict"; "" for what is no plain container."""
    if isinstance(value, TupleValue):
        return "tuple"
    kind = machine.objects[value.id].kind if isinstance(value, Ref) and value.id in machine.objects else ""
    return kind if kind in ("list", "dict") else ""


def _elements(
    machine: Machine, container: Value, path: str = "", many: bool = False, depth: int = 0
) -> Iterator[_Element]:
    """What a container holds, and what containers in it hold."""
    held: list[tuple[str, Value]] = []
    if isinstance(container, TupleValue):
        held = [(str(index), item) for index, item in enumerate(container.items)]
    elif isinstance(container, Ref) and container.id in machine.objects:
        info = machine.objects[container.id]
        many = many or info.grown
        values = [(name, machine.memory.read(container.id, name)) for name in info.names]
        held = [(name, value) for name, value in values if value is not None]
    for name, value in held[:64]:
        loop = many or name.startswith(("{", entries.BULK))
        here = path + ("0" if name == entries.BULK else name)
        for _, plain in alternatives(value):
            if not _kind(machine, plain):
                yield _Element(here, plain, loop)
            elif depth < _DEEPEST_CONTAINER:
                yield from _elements(machine, plain, here + ".", loop, depth + 1)


def _hidden_keys(
    machine: Machine, attribute: str, elements: list[_Element], registered: set[int]
) -> tuple[str, ...] | None:
    """Some keys that the state dict lacks; None where the modules are to be found elsewhere, have no tensors, or were
    hidden on purpose."""
    modules = [one for one in elements if _is_module(machine, one.value)]
    ids = {one.value.id for one in modules if isinstance(one.value, Ref)}
    if not ids or any(one in registered or one in machine.asked for one in ids):
        return None
    if len(elements) == 1 and not elements[0].many:
        return None
    keys: list[str] = []
    with_state = False
    for one in modules:
        cases = shapes.of_value(machine, one.value)
        if all(shape.known and _has_state(shape) for _, shape in cases):
            with_state = True
            names, _ = keys_of(cases[0][1], f"{attribute}.{one.path}.{cases[0][1].prefix}")
            keys += [name for name in names if "{" not in name]
    return tuple(dict.fromkeys(keys))[:3] if with_state else None


def _is_module(machine: Machine, value: Value) -> bool:
    return isinstance(value, Ref) and value.id in machine.objects and machine.objects[value.id].kind == "module"


def _has_state(shape: Shape, in_loss: bool = False) -> bool:
    """Whether there are tensors that a checkpoint should have.

    The weight of a loss better stays out of it, and a buffer that the project registers by itself is most often a
    table or a filter that each constructor computes anew.
    """
    in_loss = in_loss or shape.loss
    if shape.tensor:
        return shape.tensor == "parameter" or (shape.tensor == "tensor" and not in_loss)
    return any(_has_state(child, in_loss) for _, child in shape.children)


def _name(info: ObjectInfo) -> str:
    return info.cls.name if isinstance(info.cls, ClassValue) else ""
