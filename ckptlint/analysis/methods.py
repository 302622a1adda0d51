"""Methods that the project did not write: of modules, dicts, lists, strings, keys."""

from __future__ import annotations

from ckptlint.analysis import collectives, entries, keys, live, loaded, modules, picks, state_dicts
from ckptlint.analysis.arithmetic import numeric_kind, pieces, text
from ckptlint.analysis.guards import ALWAYS
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import (
    NONE,
    ClassValue,
    Const,
    Content,
    Key,
    KeyPieces,
    Keys,
    Method,
    Opaque,
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

#: Methods of sets that tell which keys are in one and not in the other; those that answer yes or no.
_OF_SETS = frozenset(("difference", "symmetric_difference", "issubset", "issuperset"))
_YES_OR_NO = frozenset(("isdisjoint", "issubset", "issuperset"))


def call_method(
    machine: Machine, method: Method, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """`receiver.name(...)`."""
    receiver, name = method.receiver, method.name
    if isinstance(receiver, SuperValue):
        return _of_super(machine, receiver, name, positional, keywords, site)
    if isinstance(receiver, Ref):
        kind = machine.info(receiver).kind
        if kind in ("dict", "file"):
            return _of_dict(machine, receiver, name, positional, keywords, site)
        if kind == "list":
            return _of_list(machine, receiver, name, positional)
        return module_method(machine, receiver, name, positional, keywords, site)
    if isinstance(receiver, Key):
        return keys.method(machine, receiver, name, positional)
    if isinstance(receiver, (Const, Text)):
        return _of_string(machine, receiver, name, positional, keywords)
    if isinstance(receiver, Keys):
        if name in _OF_SETS:
            picks.note_compared(machine, receiver, *positional)
        if name in _YES_OR_NO:
            asked = ", ".join(symbol_of(one) for one in positional)
            return Opaque(shorten(f"{symbol_of(receiver)}.{name}({asked})"))
        return receiver
    if isinstance(receiver, TensorValue):
        if name == "copy_" and positional:
            picks.note_copy_of_tensor(machine, receiver, positional[0], site)
        return live.tensor_method(receiver, name)
    if isinstance(receiver, Opaque):
        return module_method(machine, receiver, name, positional, keywords, site)
    if isinstance(receiver, ClassValue):
        return Opaque(shorten(f"{receiver.name}.{name}()"), fresh=True)
    return Opaque(shorten(f"{symbol_of(receiver)}.{name}()"))


#: What nothing but a module is asked for: optimizers have a state dict too, and tensors can be moved.
_OF_MODULES_ALONE = frozenset(
    ("parameters", "named_parameters", "modules", "named_modules", "children", "named_children", "buffers", "eval",
     "load_state_dict")
)  # fmt: skip


def module_method(
    machine: Machine,
    receiver: Value,
    name: str,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> Value:
    """A method of torch.nn.Module on a module, or on something that may be one."""
    collectives.method_called(machine, receiver, name, site)
    if name == "state_dict":
        machine.seen.with_state.add(symbol_of(receiver))
        prefix = keywords.get("prefix")
        before = prefix.value if isinstance(prefix, Const) and isinstance(prefix.value, str) else ""
        return state_dicts.of_value(machine, receiver, site, before)
    if name == "load_state_dict":
        return state_dicts.load(machine, receiver, positional, keywords, site)
    if name in _OF_MODULES_ALONE:
        machine.seen.as_modules.add(symbol_of(receiver))
    if name in machine.knowledge.module.returns_self:
        if isinstance(receiver, Ref):
            live.note_moved(machine, receiver, name, positional)
        return receiver
    if name in ("parameters", "named_parameters"):
        machine.ask(receiver, site, "3 parameters")
    if isinstance(receiver, Ref):
        if name in ("register_buffer", "register_parameter"):
            modules.register_tensor(machine, receiver, positional, keywords, site)
            return NONE
        if name in ("add_module", "register_module", "__setattr__") and len(positional) > 1:
            child = positional[0]
            if isinstance(child, Const) and isinstance(child.value, str):
                machine.set(receiver, child.value, positional[1], site)
            elif isinstance(positional[1], Ref):
                machine.set(receiver, "{" + symbol_of(child) + "}", positional[1], site)
            return NONE
        if name == "compile":
            return NONE
        if name in ("append", "extend", "insert", "update") and positional:
            return _grow(machine, receiver, name, positional, site)
    else:
        machine.give(positional)
    kind = numeric_kind((receiver,))
    kind = "" if name in machine.knowledge.pickles.methods else kind
    return Opaque(shorten(f"{symbol_of(receiver)}.{name}()"), kind=kind)


def _grow(machine: Machine, receiver: Ref, name: str, positional: tuple[Value, ...], site: Site) -> Value:
    """ModuleList and ModuleDict grow: what comes in stands under the name of the next index, or of its key."""
    info = machine.info(receiver)
    value = positional[-1]
    if name == "append":
        machine.set(receiver, str(len(info.names)), value, site)
    elif isinstance(value, Ref):
        source = machine.info(value)
        for key in list(source.names):
            item = machine.get(value, key)
            if item is not None:
                label = key if name == "update" else str(len(info.names))
                machine.set(receiver, label, item, site)
    return receiver


def _of_super(
    machine: Machine,
    receiver: SuperValue,
    name: str,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> Value:
    from ckptlint.analysis import classes

    target = receiver.receiver
    if name == "__init__" and isinstance(target, Ref):
        cls: Value = machine.info(target).cls or ClassValue(receiver.key, machine.classes[receiver.key].name)
        classes.initialise(machine, target, cls, receiver.key, positional, keywords, site)
        return NONE
    if name == "__setattr__" and isinstance(target, Ref):
        return module_method(machine, target, name, positional, keywords, site)
    return module_method(machine, target, name, positional, keywords, site)


def _of_dict(
    machine: Machine,
    receiver: Ref,
    name: str,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> Value:
    if name in loaded.OF_MODULES:
        loaded.note_module(machine, receiver, name, site)
    if name in ("items", "keys", "values"):
        return view(machine, receiver, name)
    if name in _OF_MODULES_ALONE or name in ("state_dict", "train"):
        _note_read_module(machine, receiver)
    if name == "get" and positional:
        found = entries.item(machine, receiver, positional[0], site)
        default = positional[1] if len(positional) > 1 else keywords.get("default", NONE)
        return default if _lacks(machine, receiver, positional[0]) else found
    if name in ("pop", "__delitem__") and positional:
        if len(positional) == 1:
            loaded.note_entry(machine, receiver, positional[0], site)
        elif _lacks(machine, receiver, positional[0]):
            return positional[1]
        value = entries.item(machine, receiver, positional[0], site)
        entries.remove_item(machine, receiver, positional[0])
        return value
    if name == "setdefault" and len(positional) > 1:
        entries.set_item(machine, receiver, positional[0], positional[1], site)
        return positional[1]
    if name == "update":
        for value in positional:
            entries.merge_into(machine, receiver, value, site)
        for key, value in keywords.items():
            if key not in ("*", "**"):
                machine.set(receiver, key, value, site)
        return NONE
    if name == "copy":
        return state_dicts.shallow_copy(machine, receiver, site)
    if name == "clear":
        for key in list(machine.info(receiver).names):
            machine.memory.delete(receiver.id, key)
        machine.info(receiver).names.clear()
        machine.memory.write(receiver.id, entries.BULK, NONE)
        return NONE
    if name in ("state_dict", "float", "half", "cpu", "cuda", "to", "eval"):
        return _of_loaded_module(machine, receiver, name, site)
    if name == "load_state_dict":
        return state_dicts.load(machine, receiver, positional, keywords, site)
    return Opaque(shorten(f"<object {receiver.id}>.{name}()"))


def _lacks(machine: Machine, receiver: Ref, key: Value) -> bool:
    """Whether a dict of which all is known, `**kwargs` of a call that gave nothing more, has no such entry."""
    info = machine.info(receiver)
    if info.kind != "dict" or not isinstance(key, Const) or not info.names.keys().isdisjoint((str(key.value), "**")):
        return False
    return machine.get(receiver, entries.BULK) == NONE


def _note_read_module(machine: Machine, receiver: Ref) -> None:
    """What the file holds is used as a module."""
    info = machine.info(receiver)
    if info.kind == "file" and info.file is not None:
        machine.seen.read_modules.add((info.file, info.entry))


def _of_loaded_module(machine: Machine, receiver: Ref, name: str, site: Site) -> Value:
    """`ckpt["model"].float().state_dict()`: what the file holds is a module; its keys are the file's."""
    if name != "state_dict":
        return receiver
    return state_dicts.shallow_copy(machine, receiver, site)


def view(machine: Machine, receiver: Ref, kind: str) -> Value:
    """`.keys()`, `.values()`, `.items()` of a dict: its bulk where it has one, else its entries."""
    bulk = machine.get(receiver, entries.BULK)
    info = machine.info(receiver)
    named = [name for name in info.names if name not in ("*", "**")]
    if bulk is not None and bulk != NONE and (info.kind == "file" or not named or kind != "values"):
        cases = [
            (guard, Keys(kind, receiver, one) if isinstance(one, Content) else Opaque("items"))
            for guard, one in alternatives(bulk)
        ]
        return choose(cases, "items")
    items: list[Value] = []
    for name in named:
        value = machine.get(receiver, name) or Opaque(name)
        key: Value = Const(name) if not name.startswith("{") else Opaque(name)
        items.append({"keys": key, "values": value}.get(kind, TupleValue((key, value))))
    return entries.new_list(machine, items, None, known="**" not in info.names)


def _of_list(machine: Machine, receiver: Ref, name: str, positional: tuple[Value, ...]) -> Value:
    info = machine.info(receiver)
    info.grown = info.grown or name not in ("index", "count", "copy")
    if name == "append" and positional:
        if "*" in info.names or len(info.names) >= 32:
            before = machine.get(receiver, "*")
            both = [positional[0]] if before is None else [positional[0], before]
            machine.set(receiver, "*", choose([(ALWAYS, one) for one in both], "element"))
        else:
            machine.set(receiver, str(len(info.names)), positional[0])
        return NONE
    if name == "extend" and positional:
        from ckptlint.analysis import loops

        loops.extend(machine, receiver, positional[0])
        return NONE
    if name == "pop":
        return entries.item(machine, receiver, positional[0] if positional else Const(-1), info.site or Site("", 0, 0))
    if name == "copy":
        return receiver
    return Opaque(shorten(f"<object {receiver.id}>.{name}()"))


def _of_string(
    machine: Machine, receiver: Const | Text, name: str, positional: tuple[Value, ...], keywords: dict[str, Value]
) -> Value:
    parts = pieces(receiver) or ()
    if name == "format":
        return _format(parts, positional, keywords)
    if name == "join" and positional and isinstance(receiver, Const):
        between = str(receiver.value)
        return spread(machine, positional[0], lambda one: _join(machine, between, one))
    if isinstance(receiver, Const) and isinstance(receiver.value, str):
        known = _constant_method(receiver.value, name, positional)
        if known is not None:
            return known
    if name == "split" and isinstance(receiver, Const) and isinstance(receiver.value, str):
        separator = positional[0].value if positional and isinstance(positional[0], Const) else None
        if separator is None or (isinstance(separator, str) and separator):
            return TupleValue(tuple(Const(one) for one in receiver.value.split(separator)))
    if name in ("strip", "lower", "upper", "rstrip", "lstrip", "as_posix", "resolve", "absolute", "expanduser"):
        return receiver
    if name == "joinpath":
        joined: tuple[str | Opaque, ...] = parts
        for one in positional:
            joined = (*joined, "/", *(pieces(one) or (Opaque("part"),)))
        return text(joined)
    if name == "open":
        return receiver
    return Opaque(shorten(f"{symbol_of(receiver)}.{name}({', '.join(symbol_of(one) for one in positional[:2])})"))


_PURE = frozenset(
    ("startswith", "endswith", "lower", "upper", "strip", "lstrip", "rstrip", "replace", "removeprefix", "isdigit")
)


def _constant_method(value: str, name: str, positional: tuple[Value, ...]) -> Value | None:
    """A string method on constants, done for real."""
    arguments = [one.value for one in positional if isinstance(one, Const)]
    if name not in _PURE or len(arguments) != len(positional) or not all(isinstance(a, str) for a in arguments):
        return None
    if name == "removeprefix":
        return Const(value[len(str(arguments[0])) :] if value.startswith(str(arguments[0])) else value)
    try:
        return Const(getattr(value, name)(*arguments))
    except TypeError:
        return None


def _format(parts: tuple[str | Opaque, ...], positional: tuple[Value, ...], keywords: dict[str, Value]) -> Value:
    import string

    template = "".join(part for part in parts if isinstance(part, str))
    result: tuple[str | Opaque, ...] = ()
    left = list(positional)
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        return Opaque(shorten(template))
    for literal, field, _, _ in fields:
        result = (*result, literal)
        if field is None:
            continue
        name = field.split(".")[0].split("[")[0]
        if name.isdigit() and int(name) < len(positional):
            value: Value = positional[int(name)]
        elif not name and left:
            value = left.pop(0)
        else:
            value = keywords.get(name, Opaque(name or "argument"))
        result = (*result, *(pieces(value) or (Opaque(symbol_of(value)),)))
    return text(result)


def _join(machine: Machine, separator: str, value: Value) -> Value:
    from ckptlint.analysis import loops

    if isinstance(value, KeyPieces):
        return keys.joined(separator, value)
    items = loops.known_items(machine, value)
    if items is None:
        return Opaque(shorten(f"{separator!r}.join({symbol_of(value)})"))
    joined: tuple[str | Opaque, ...] = ()
    for index, item in enumerate(items):
        joined = (*joined, *((separator,) if index else ()), *(pieces(item) or (Opaque("item"),)))
    return text(joined)
