"""Builtins and the few standard library calls that paths, containers and conditions are made of."""

from __future__ import annotations

from collections.abc import Callable

from ckptlint.analysis import attributes, classes, entries, loaded, loops, own_names, patterns, picks, state_dicts
from ckptlint.analysis.arithmetic import numeric_kind, pieces, text
from ckptlint.analysis.guards import ALWAYS, Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.objects import ObjectInfo
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.truth import cases_of
from ckptlint.analysis.values import (
    NONE,
    ClassValue,
    Const,
    External,
    Key,
    Keys,
    Opaque,
    Partial,
    PythonModule,
    Ref,
    Site,
    Text,
    TupleValue,
    Value,
    alternatives,
    choose,
)

_MOST_PATHS = 6

Arguments = tuple[tuple[Value, ...], dict[str, Value]]


def call_builtin(
    machine: Machine, name: str, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """A builtin function."""
    handler = _BUILTINS.get(name)
    if handler is not None and (positional or name in ("dict", "list", "super", "set", "tuple")):
        return handler(machine, (positional, keywords), site)
    rendered = ", ".join(symbol_of(value) for value in positional[:3])
    kind = numeric_kind(positional) if name in ("max", "min", "sum", "abs") else ""
    return Opaque(shorten(f"{name}({rendered})"), kind=kind)


def _getattr(machine: Machine, given: Arguments, site: Site) -> Value:
    """`getattr(model, "module", model)`: the default where the object lacks the attribute."""
    positional, keywords = given
    if len(positional) < 2:
        return Opaque("getattr")
    owner, name = positional[0], positional[1]
    default = positional[2] if len(positional) > 2 else keywords.get("default")
    if not isinstance(name, Const) or not isinstance(name.value, str):
        fresh = isinstance(owner, (External, PythonModule)) or (isinstance(owner, Opaque) and owner.fresh)
        return Opaque(shorten(f"getattr({symbol_of(owner)}, {symbol_of(name)})"), fresh=fresh)
    attribute = name.value
    if default is None:
        return attributes.read(machine, owner, attribute, site)

    def one(plain: Value) -> Value:
        found = attributes.find(machine, plain, attribute, site)
        if isinstance(found, attributes.Missing):
            return default
        if isinstance(found, Opaque) and isinstance(plain, (Opaque, Ref)) and not found.fresh:
            if attribute in attributes.UNWRAPPING:
                # Whatever it is, wrapped or not, what comes out has no such wrapper.
                return Opaque(shorten(f"unwrap({symbol_of(plain)})"), fresh=True)
            return found
        return found

    return spread(machine, owner, one)


def has_attribute(machine: Machine, given: Arguments, site: Site) -> Value:
    """`hasattr(value, name)`."""
    positional, _ = given
    if len(positional) < 2 or not isinstance(positional[1], Const) or not isinstance(positional[1].value, str):
        return Opaque("hasattr")
    name = positional[1].value
    return spread(machine, positional[0], lambda plain: attributes.has(machine, plain, name, site))


def _setattr(machine: Machine, given: Arguments, site: Site) -> Value:
    positional, _ = given
    if len(positional) == 3:
        name = positional[1]
        if isinstance(name, Const) and isinstance(name.value, str):
            attributes.write(machine, positional[0], name.value, positional[2], site)
        elif isinstance(positional[2], Ref):
            attributes.write(machine, positional[0], "{" + symbol_of(name) + "}", positional[2], site)
    return NONE


def is_instance(machine: Machine, given: Arguments, site: Site) -> Value:
    """`isinstance(value, classes)`."""
    positional, _ = given
    if len(positional) < 2:
        return Opaque("isinstance")
    wanted = loops.known_items(machine, positional[1])
    return spread(machine, positional[0], lambda plain: _is_one_of(machine, plain, wanted or [positional[1]]))


def _is_one_of(machine: Machine, value: Value, wanted: list[Value]) -> Value:
    names = [one.name for one in wanted if isinstance(one, (External, ClassValue))]
    unknown = Opaque(shorten(f"isinstance({symbol_of(value)}, {', '.join(names)})"))
    wrappers = [machine.knowledge.wrapper(one.name) for one in wanted if isinstance(one, External)]
    if isinstance(value, Opaque):
        return Const(False) if value.fresh and wrappers and all(wrappers) else unknown
    if isinstance(value, Ref):
        return _object_is(machine, value, wanted, unknown)
    if isinstance(value, Const):
        kinds = {"str": str, "int": int, "float": float, "bool": bool}
        for one in wanted:
            if isinstance(one, External) and one.name.startswith("builtins."):
                kind = kinds.get(one.name[len("builtins.") :])
                if kind is not None and isinstance(value.value, kind):
                    return Const(True)
        return Const(False)
    if isinstance(value, Key):
        return Const("builtins.str" in [one.name for one in wanted if isinstance(one, External)])
    if isinstance(value, (TupleValue, Text)):
        name = "builtins.tuple" if isinstance(value, TupleValue) else "builtins.str"
        return Const(any(isinstance(one, External) and one.name == name for one in wanted))
    return unknown


def _object_is(machine: Machine, ref: Ref, wanted: list[Value], unknown: Value) -> Value:
    info = machine.info(ref)
    if info.kind in ("dict", "file", "list"):
        builtin = {"dict": ("dict", "OrderedDict", "Mapping"), "list": ("list",)}.get(info.kind)
        if builtin is None:
            return loaded.is_of_kind(info, [one.name for one in wanted if isinstance(one, External)]) or unknown
        return Const(any(isinstance(one, External) and one.name.rpartition(".")[2] in builtin for one in wanted))
    order: list[Value] = list(classes.resolution_order(machine, info.cls)) if info.cls is not None else []
    for one in wanted:
        if one in order:
            return Const(True)
        if isinstance(one, External) and info.wrapper is not None:
            asked = machine.knowledge.wrapper(one.name)
            if asked is not None and _is_kind(info, info.wrapper.kind, asked.kind, one.name):
                return Const(True)
    if isinstance(info.cls, ClassValue) and classes.has_unknown_base(machine, info.cls):
        return unknown
    wrappers = all(isinstance(one, External) and machine.knowledge.wrapper(one.name) is not None for one in wanted)
    if info.kind == "foreign" and not wrappers:
        return unknown
    if any(isinstance(one, External) and one.name.endswith("nn.Module") for one in wanted):
        return Const(info.kind == "module")
    if not all(isinstance(one, (External, ClassValue)) for one in wanted):
        return unknown
    return Const(False)


def _is_kind(info: ObjectInfo, kind: str, asked: str, name: str) -> bool:
    """Whether a wrapper is of the class that is asked for: that of apex is not torch's, though it is called alike.

    What accelerate wraps in is torch's own class; a class of an unknown library is what its name ends in.
    """
    if kind == asked or kind.endswith("'s " + asked):
        return True
    own = info.cls.name if isinstance(info.cls, External) else ""
    return kind == "DataParallel" and own.endswith(name.rpartition(".")[2])


def _len(machine: Machine, given: Arguments, site: Site) -> Value:
    value = given[0][0]
    picks.note_counted(machine, value)
    if isinstance(value, Const) and isinstance(value.value, str):
        return Const(len(value.value))
    if isinstance(value, TupleValue):
        return Const(len(value.items))
    if isinstance(value, Ref) and machine.info(value).kind == "list" and not machine.info(value).grown:
        items = loops.known_items(machine, value)
        if items:
            return Const(len(items))
    return Opaque(shorten(f"len({symbol_of(value)})"))


def _dict(machine: Machine, given: Arguments, site: Site) -> Value:
    positional, keywords = given
    if positional and not keywords and isinstance(positional[0], Ref) and machine.info(positional[0]).kind == "file":
        return state_dicts.shallow_copy(machine, positional[0], site)
    made = entries.new_dict(machine, site)
    for value in positional:
        _fill(machine, made, value)
    for key, value in keywords.items():
        if key == "**":
            entries.merge_into(machine, made, value)
            machine.set(made, "**", Opaque("more"))
        elif key != "*":
            machine.set(made, key, value, site)
    return made


def _fill(machine: Machine, made: Ref, value: Value) -> None:
    """`dict(pairs)`, `OrderedDict((k, v) for k, v in sd.items())`, `dict(other)`."""
    if isinstance(value, Ref) and machine.info(value).kind == "list":
        for pair in loops.known_items(machine, value) or [loops.element(machine, value)]:
            if isinstance(pair, TupleValue) and len(pair.items) == 2:
                entries.set_item(machine, made, pair.items[0], pair.items[1], None)
            else:
                machine.info(made).grown = True
        return
    if isinstance(value, Keys):
        machine.memory.write(made.id, entries.BULK, value.content)
        return
    entries.merge_into(machine, made, value)


def _sequence(machine: Machine, given: Arguments, site: Site) -> Value:
    positional, _ = given
    if not positional:
        return entries.new_list(machine, [], site)
    return spread(machine, positional[0], lambda plain: _keys_of(machine, plain))


def _keys_of(machine: Machine, value: Value) -> Value:
    if isinstance(value, Ref) and machine.info(value).kind in ("dict", "file"):
        from ckptlint.analysis import methods

        return methods.view(machine, value, "keys")
    return value


def _iter(machine: Machine, given: Arguments, site: Site) -> Value:
    return _sequence(machine, given, site)


def _next(machine: Machine, given: Arguments, site: Site) -> Value:
    value = spread(machine, given[0][0], lambda plain: _keys_of(machine, plain))
    return own_names.first(machine, spread(machine, value, lambda plain: loops.element(machine, plain)))


def _any(machine: Machine, given: Arguments, site: Site) -> Value:
    return spread(machine, given[0][0], lambda plain: loops.any_or_all(machine, plain, wanted=True))


def _all(machine: Machine, given: Arguments, site: Site) -> Value:
    return spread(machine, given[0][0], lambda plain: loops.any_or_all(machine, plain, wanted=False))


def _zip(machine: Machine, given: Arguments, site: Site) -> Value:
    columns = [loops.known_items(machine, value) for value in given[0]]
    if all(column is not None for column in columns):
        rows = [TupleValue(tuple(row)) for row in zip(*(column or [] for column in columns), strict=False)]
        return entries.new_list(machine, rows, site)
    row = TupleValue(tuple(loops.element(machine, value) for value in given[0]))
    return entries.new_list(machine, [row], site, known=False)


def _enumerate(machine: Machine, given: Arguments, site: Site) -> Value:
    items = loops.known_items(machine, given[0][0])
    if items is not None:
        rows: list[Value] = [TupleValue((Const(index), item)) for index, item in enumerate(items)]
        return entries.new_list(machine, rows, site)
    row = TupleValue((Opaque("index"), loops.element(machine, given[0][0])))
    return entries.new_list(machine, [row], site, known=False)


def _map(machine: Machine, given: Arguments, site: Site) -> Value:
    from ckptlint.analysis import calls

    if len(given[0]) < 2:
        return Opaque("map")
    function, items = given[0][0], loops.known_items(machine, given[0][1])
    if items is None or len(items) > loops.MOST_UNROLLED:
        one = calls.call(machine, function, (loops.element(machine, given[0][1]),), {}, site)
        return entries.new_list(machine, [one], site, known=False)
    return entries.new_list(machine, [calls.call(machine, function, (item,), {}, site) for item in items], site)


def _filter(machine: Machine, given: Arguments, site: Site) -> Value:
    return given[0][-1]


def _str(machine: Machine, given: Arguments, site: Site) -> Value:
    return spread(machine, given[0][0], _text_of)


def _text_of(value: Value) -> Value:
    if isinstance(value, Opaque):
        return Opaque(value.symbol, fresh=value.fresh) if value.kind else value
    if isinstance(value, (Ref, ClassValue, TupleValue)):
        return Opaque(shorten(f"str({symbol_of(value)})"))  # a description, no longer the thing itself
    return value


def _bool(machine: Machine, given: Arguments, site: Site) -> Value:
    yes, no = cases_of(given[0][0])
    return choose([(guard, Const(True)) for guard in yes] + [(guard, Const(False)) for guard in no], "bool")


def _type(machine: Machine, given: Arguments, site: Site) -> Value:
    def one(plain: Value) -> Value:
        if isinstance(plain, Ref) and machine.info(plain).cls is not None:
            return machine.info(plain).cls or NONE
        return Opaque(shorten(f"type({symbol_of(plain)})"), fresh=isinstance(plain, Opaque) and plain.fresh)

    return spread(machine, given[0][0], one)


def _vars(machine: Machine, given: Arguments, site: Site) -> Value:
    return Opaque(shorten(f"vars({symbol_of(given[0][0])})"))


def _open(machine: Machine, given: Arguments, site: Site) -> Value:
    return given[0][0]


_BUILTINS: dict[str, Callable[[Machine, Arguments, Site], Value]] = {
    "getattr": _getattr,
    "hasattr": has_attribute,
    "setattr": _setattr,
    "isinstance": is_instance,
    "len": _len,
    "dict": _dict,
    "list": _sequence,
    "tuple": _sequence,
    "set": _sequence,
    "sorted": _sequence,
    "reversed": _sequence,
    "iter": _iter,
    "next": _next,
    "any": _any,
    "all": _all,
    "zip": _zip,
    "enumerate": _enumerate,
    "map": _map,
    "filter": _filter,
    "str": _str,
    "bool": _bool,
    "type": _type,
    "vars": _vars,
    "open": _open,
}


def call_library(
    machine: Machine, name: str, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value | None:
    """A call of the standard library that makes paths, containers or functions; None for any other."""
    if name in ("os.path.join", "posixpath.join"):
        return _join_path(positional)
    if name in ("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "str"):
        return _join_path(positional)
    if name in ("os.path.expanduser", "os.path.abspath", "os.path.normpath", "os.path.realpath", "os.fspath"):
        return positional[0] if positional else None
    if name in ("dataclasses.asdict", "attr.asdict", "attrs.asdict") and positional:
        return spread(machine, positional[0], lambda plain: entries.fields_of(machine, plain, site))
    if name in ("collections.OrderedDict", "typing.OrderedDict"):
        return _dict(machine, (positional, keywords), site)
    if name in ("functools.partial",) and positional:
        named = tuple(sorted((key, value) for key, value in keywords.items() if key not in ("*", "**")))
        return Partial(positional[0], positional[1:], named)
    if name in ("functools.wraps", "functools.lru_cache", "functools.cache"):
        return Opaque(name)
    if name == "tempfile.NamedTemporaryFile":
        return Opaque(f"{name}()@{site.file}:{site.unit}:{site.node}", fresh=True)
    if name == "re.compile":
        return patterns.compiled(machine, positional, site)
    if name == "re.sub":
        return patterns.substituted(machine, positional, keywords)
    if name in ("torch.nn.Parameter", "torch.nn.parameter.Parameter"):
        symbol = f"parameter@{site.file}:{site.unit}:{site.node}"
        machine.parameter_symbols.add(symbol)
        return Opaque(symbol)
    if name == "importlib.import_module" and positional and isinstance(positional[0], Const):
        from ckptlint.analysis import imports

        return imports.import_module(machine, site.file, str(positional[0].value))
    if name in ("itertools.chain",):
        return positional[0] if positional else None
    return None


def _join_path(positional: tuple[Value, ...]) -> Value:
    cases: list[tuple[Guard, tuple[str | Opaque, ...]]] = [(ALWAYS, ())]
    for index, part in enumerate(positional):
        options = alternatives(part) if len(cases) * len(alternatives(part)) <= _MOST_PATHS else ((ALWAYS, part),)
        cases = [
            (together, (*joined, *(("/",) if index else ()), *(pieces(plain) or (Opaque(symbol_of(plain)),))))
            for guard, joined in cases
            for inner, plain in options
            if (together := both(guard, inner)) is not None
        ]
    return choose([(guard, text(joined)) for guard, joined in cases], "path")
