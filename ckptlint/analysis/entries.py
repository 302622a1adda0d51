"""Entries of dicts, lists, tuples and loaded files.

A dict has named entries and, in the cell "*", the *bulk*: the keys that came in all at once from a state dict (a
`Content`), or None when there are none. A loaded file is a dict whose entries appear when they are asked for, each with
one alternative for every prefix that its keys may turn out to have.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ckptlint.analysis import gathered, key_tests, keys, live, own_names, picks, results
from ckptlint.analysis.guards import PREFIX_OF_FILE, Guard, Literal
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import (
    NONE,
    Choice,
    ClassValue,
    Const,
    Content,
    External,
    Key,
    KeyPieces,
    Keys,
    LoadResult,
    Opaque,
    Ref,
    Site,
    TensorValue,
    Text,
    TupleValue,
    Value,
    alternatives,
    choose,
)

BULK = "*"

#: The prefixes that the keys of a file are tried with.
HYPOTHESES = ("", "module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "module.module.")


def new_dict(machine: Machine, site: Site | None) -> Ref:
    """An empty dict."""
    made = machine.new_object("dict", None, site)
    machine.memory.write(made.id, BULK, NONE)
    return made


def fields_of(machine: Machine, value: Value, site: Site) -> Value:
    """`asdict(snapshot)`: the attributes of an object by name."""
    if not isinstance(value, Ref) or machine.info(value).kind != "instance":
        return Opaque(shorten(f"asdict({symbol_of(value)})"))
    made = new_dict(machine, site)
    for name, place in machine.info(value).names.items():
        field = machine.get(value, name)
        if field is not None:
            machine.set(made, name, field, place)
    return made


def new_list(machine: Machine, items: Sequence[Value], site: Site | None, known: bool = True) -> Ref:
    """A list; when its length is not known, one element stands for all: the entry "*"."""
    made = machine.new_object("list", None, site)
    if known and len(items) <= 64:
        for index, item in enumerate(items):
            machine.set(made, str(index), item)
    elif items:
        machine.set(made, BULK, choose([(frozenset(), item) for item in items[:8]], "element"))
    return made


def new_file(machine: Machine, site: Site, path: Value, foreign: bool = False) -> Ref:
    """What a file holds, before anything is known of it."""
    machine.files += 1
    made = machine.new_object("file", None, site)
    info = machine.info(made)
    info.path, info.file, info.foreign = path, machine.files, foreign
    machine.memory.write(made.id, BULK, _hypotheses(machine, machine.files, (), site))
    return made


def prefix_symbol(file: int, entry: tuple[str, ...]) -> str:
    """The symbol of the prefix that the keys of an entry of a file have."""
    return f"{PREFIX_OF_FILE}{file} {'.'.join(entry)}"


def _hypotheses(machine: Machine, file: int, entry: tuple[str, ...], site: Site) -> Value:
    symbol = prefix_symbol(file, entry)
    cases: list[tuple[Guard, Value]] = [
        (
            frozenset((Literal(symbol, "==", prefix),)),
            Content(site, prefix, None, file, entry, prefix, extra=own_names.possible_extra(machine, prefix)),
        )
        for prefix in HYPOTHESES
    ]
    return Choice(tuple(cases))


def item(machine: Machine, owner: Value, index: Value, site: Site) -> Value:
    """`owner[index]`."""
    if isinstance(owner, TupleValue):
        if (
            isinstance(index, Const)
            and isinstance(index.value, int)
            and -len(owner.items) <= index.value < len(owner.items)
        ):
            return machine.narrow(owner.items[index.value])
        return choose([(frozenset(), one) for one in owner.items[:8]], "element") if owner.items else Opaque("element")
    if isinstance(owner, Ref):
        return _object_item(machine, owner, index, site)
    if isinstance(owner, ClassValue) or (isinstance(owner, External) and owner.name.rpartition(".")[2][:1].isupper()):
        return owner  # Model[T] is Model
    if isinstance(owner, KeyPieces):
        return (
            keys.piece(owner, index.value)
            if isinstance(index, Const) and isinstance(index.value, int)
            else Opaque("a piece of a key")
        )
    if isinstance(owner, Keys):
        one = element_of_keys(owner)
        return own_names.first(machine, one) if index == Const(0) else one
    if isinstance(owner, LoadResult):
        return results.UNEXPECTED if index == Const(1) else results.MISSING
    if isinstance(owner, Opaque):
        kind = owner.kind if owner.kind.startswith("numpy.") or index == Const(0) else ""
        return Opaque(shorten(f"{owner.symbol}[{symbol_of(index)}]"), fresh=owner.fresh, kind=kind)
    if isinstance(owner, External):
        return Opaque(shorten(f"{owner.name}[{symbol_of(index)}]"))
    return Opaque("item")


def element_of_keys(view: Keys) -> Value:
    """One element of `.keys()`, `.values()` or `.items()` of a state dict."""
    content = view.content
    key = keys.of_content(content)
    if view.kind == "keys":
        return key
    tensor = TensorValue(content, view.owner.id, key=key if content.file is None else None)
    return tensor if view.kind == "values" else TupleValue((key, tensor))


def _object_item(machine: Machine, owner: Ref, index: Value, site: Site) -> Value:
    info = machine.info(owner)
    if info.kind == "file":
        return _file_item(machine, owner, index)
    if info.kind in ("module", "instance"):
        from ckptlint.analysis import attributes

        return attributes.module_item(machine, owner, index, site)
    if isinstance(index, Choice):
        return choose(
            [(guard, _object_item(machine, owner, plain, site)) for guard, plain in index.alternatives], "entry"
        )
    if isinstance(index, Const):
        name = _entry_name(info.names, index)
        value = machine.get(owner, name)
        if value is not None:
            return value
    bulk = machine.get(owner, BULK)
    if isinstance(index, Key):
        return gathered.tensor(machine, owner, index)
    if info.kind == "list" and bulk is not None:
        return bulk
    if bulk is not None and bulk != NONE:
        return choose(
            [
                (guard, TensorValue(plain) if isinstance(plain, Content) else Opaque("entry"))
                for guard, plain in alternatives(bulk)
            ],
            "entry",
        )
    if info.made_in and machine.deferred:
        from ckptlint.analysis import imports

        if imports.fill(machine, info):
            return _object_item(machine, owner, index, site)
    known = [machine.get(owner, name) for name in info.names if name != BULK]
    present = [value for value in known if value is not None]
    if present and not isinstance(index, Const):
        return choose([(frozenset(), value) for value in present[:8]], "entry")
    return Opaque(shorten(f"<object {owner.id}>[{symbol_of(index)}]"))


def _entry_name(names: dict[str, Site | None], index: Const) -> str:
    if isinstance(index.value, int) and index.value < 0:
        count = sum(1 for name in names if name.isdigit())
        return str(count + index.value)
    return str(index.value)


def _file_item(machine: Machine, owner: Ref, index: Value) -> Value:
    info = machine.info(owner)
    assert info.file is not None
    if not isinstance(index, Const):
        if isinstance(index, Key):
            return gathered.tensor(machine, owner, index)
        name = "{" + symbol_of(index) + "}"
    else:
        name = str(index.value)
    value = machine.get(owner, name)
    if value is None:
        entry = (*info.entry, name)
        made = machine.new_object("file", None, info.site)
        inner = machine.info(made)
        inner.path, inner.file, inner.entry, inner.foreign = info.path, info.file, entry, info.foreign
        assert info.site is not None
        machine.memory.write(made.id, BULK, _hypotheses(machine, info.file, entry, info.site))
        machine.set(owner, name, made)
        value = made
    return value


def sliced(machine: Machine, owner: Value, bounds: list[Value]) -> Value:
    """`owner[lower:upper:step]`."""
    lower, upper, step = bounds
    if isinstance(owner, Key) and step == NONE:
        if upper == NONE and isinstance(lower, Const) and isinstance(lower.value, int) and lower.value >= 0:
            if any(test.wanted and test.kind == "starts" for test in key_tests.tests_in(machine.guard)):
                inside = lower.value > len(owner.prefix)
                return Opaque("the inside of a key") if inside else keys.cut(owner, lower.value)
            return keys.cut(owner, lower.value)
        if lower in (NONE, Const(0)) and isinstance(upper, Const) and isinstance(upper.value, int) and upper.value > 0:
            return keys.head(owner, upper.value)
        return Opaque("slice of a key")
    if isinstance(owner, KeyPieces) and isinstance(lower, Const) and isinstance(lower.value, int) and upper == NONE:
        return keys.drop_pieces(owner, lower.value)
    stretch = _stretch(bounds)
    if stretch is not None:
        if isinstance(owner, TupleValue):
            return TupleValue(owner.items[stretch])
        if isinstance(owner, Const) and isinstance(owner.value, str):
            return Const(owner.value[stretch])
    if isinstance(owner, Text):
        return Text((Opaque(shorten(symbol_of(owner) + "[...]")),))
    if isinstance(owner, (Ref, Keys)):
        return owner
    return Opaque(shorten(f"{symbol_of(owner)}[{symbol_of(lower)}:{symbol_of(upper)}]"))


def _stretch(bounds: list[Value]) -> slice | None:
    """The slice, when its bounds are known numbers."""
    numbers: list[int | None] = []
    for bound in bounds:
        if not isinstance(bound, Const) or not (bound.value is None or isinstance(bound.value, int)):
            return None
        numbers.append(bound.value)
    return slice(*numbers)


def set_item(machine: Machine, owner: Value, index: Value, value: Value, site: Site | None) -> None:
    """`owner[index] = value`, for a plain owner."""
    if not isinstance(owner, Ref):
        machine.give((value,))
        return
    info = machine.info(owner)
    if machine.frames[-1].looping:
        picks.note_put(machine, owner, index, value, site)
    if info.taken is not None or isinstance(index, (Key, Choice)):
        live.note_entry(machine, owner, value, site)
    if isinstance(index, Choice):
        _set_each(machine, owner, index, value)
    elif isinstance(index, Key):
        gathered.put(machine, owner, index, value)
    elif isinstance(index, Const):
        machine.set(owner, _entry_name(info.names, index), value, site)
    elif isinstance(value, Ref):
        # an entry whose name is not known: nets[name] = DataParallel(net)
        machine.set(owner, "{" + symbol_of(index) + "}", value, site)
    else:
        info.grown = True


def _set_each(machine: Machine, owner: Ref, index: Choice, value: Value) -> None:
    """`d[key] = v` where the key differs from case to case."""
    if any(isinstance(plain, Key) for _, plain in index.alternatives):
        gathered.put(machine, owner, index, value)
    else:
        machine.info(owner).grown = True


def remove_item(machine: Machine, owner: Value, index: Value) -> None:
    """`del owner[index]`, `owner.pop(index)`."""
    if not isinstance(owner, Ref):
        return
    bulk = machine.get(owner, BULK)
    if bulk is None:
        return
    if isinstance(index, Key) and key_tests.tests_in(machine.guard):
        machine.memory.write(owner.id, BULK, NONE)
        return
    removed = {plain.prefix for _, plain in alternatives(index) if isinstance(plain, Key)}
    cases = [
        (guard, _without(plain, removed, isinstance(index, (Const, Opaque, Text))))
        for guard, plain in alternatives(bulk)
    ]
    machine.memory.write(owner.id, BULK, choose(cases, "bulk"))
    if isinstance(index, Const):
        machine.memory.delete(owner.id, str(index.value))
        machine.info(owner).names.pop(str(index.value), None)


def _without(bulk: Value, prefixes: set[str], some: bool) -> Value:
    if not isinstance(bulk, Content):
        return bulk
    if some or bulk.prefix in prefixes:
        return with_flags(bulk, partial=True)
    return bulk


def with_flags(content: Content, *, filtered: bool = False, partial: bool = False) -> Content:
    """The content, marked as filtered by what a module has, or as having lost some keys."""
    return msgspec.structs.replace(content, filtered=content.filtered or filtered, partial=content.partial or partial)


def merge_into(machine: Machine, target: Ref, source: Value, site: Site | None = None) -> None:
    """`{**source}`, `target.update(source)`."""
    picks.note_drawn(machine, target, source, site or machine.info(target).site)
    machine.info(target).taken = None
    whole = machine.info(target)
    if isinstance(source, Choice):
        source = next((plain for _, plain in source.alternatives if isinstance(plain, Ref)), source)
        whole.grown = True
    if not isinstance(source, Ref):
        if isinstance(source, Opaque):
            machine.set(target, "**", source)
        whole.grown = True
        return
    info = machine.info(source)
    if info.kind not in ("dict", "file"):
        whole.grown = True
        return
    whole.grown = whole.grown or info.grown or info.kind == "file"
    bulk = machine.get(source, BULK)
    if bulk is not None and bulk != NONE:
        before = machine.get(target, BULK)
        if before is None or before == NONE:
            machine.memory.write(target.id, BULK, bulk)
            live.note_shallow(machine, target, source)
        else:
            machine.memory.write(target.id, BULK, gathered.merged(before, bulk))
    for name in list(info.names):
        value = machine.get(source, name)
        if value is not None and name != BULK:
            machine.set(target, name, value, info.names[name])
