"""Calls: into the project, into what is known of torch and Python, or into the unknown."""

from __future__ import annotations

from ckptlint.analysis import (
    attributes,
    classes,
    expressions,
    functions,
    gathered,
    live,
    loaded,
    methods,
    modules,
    outside,
    picks,
    renamed,
    results,
    training,
)
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import (
    NONE,
    Bound,
    Choice,
    ClassValue,
    External,
    Function,
    LoadResult,
    Method,
    Opaque,
    Partial,
    Ref,
    Site,
    SuperValue,
    Value,
)
from ckptlint.facts import ir


def evaluate_call(machine: Machine, node: ir.Call) -> Value:
    """The value of a call expression."""
    site = machine.site(node)
    if machine.notes.member_tests and picks.is_telling(node):
        picks.note_told(machine)
    if isinstance(node.func, ir.Name) and node.func.name == "super":
        return _super(machine, node)
    if isinstance(node.func, ir.Attribute):
        owner = expressions.evaluate(machine, node.func.value)
        positional, keywords = arguments(machine, node)
        name = node.func.name
        if name == "copy_" and positional:
            gathered.copy(machine, owner, positional[0])
        if name in live.TRAINING:
            machine.rounds.trained += 1
            machine.seen.stepped.add(symbol_of(owner))
        if name in attributes.UNWRAPPING:
            function = attributes.read(machine, owner, name, machine.site(node.func))
            return call(machine, function, positional, keywords, site)
        if name == "state_dict":
            training.taken(machine, owner, site)
        if name in ("state_dict", "load_state_dict"):
            owner = modules.settled_unwrap(machine, owner)
            machine.rounds.argument = live.held(machine, node) if name == "load_state_dict" else None
        return spread(
            machine,
            owner,
            lambda plain: _call_attribute(machine, plain, name, positional, keywords, site),
        )
    function = expressions.evaluate(machine, node.func)
    positional, keywords = arguments(machine, node)
    return call(machine, function, positional, keywords, site)


def arguments(machine: Machine, node: ir.Call) -> tuple[tuple[Value, ...], dict[str, Value]]:
    """The arguments of a call; the keywords "*" and "**" stand for an unknown rest."""
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    for argument in node.args:
        value = expressions.evaluate(machine, argument.value)
        if argument.star == "*":
            from ckptlint.analysis import loops

            items = loops.known_items(machine, value)
            if items is None:
                keywords["*"] = loops.element(machine, value)
            else:
                positional.extend(items)
        elif argument.star == "**":
            _spread_keywords(machine, value, keywords)
        elif argument.keyword is not None:
            keywords[argument.keyword] = value
        else:
            positional.append(value)
    return tuple(positional), keywords


def _spread_keywords(machine: Machine, value: Value, keywords: dict[str, Value]) -> None:
    if isinstance(value, Ref) and machine.info(value).kind == "dict":
        info = machine.info(value)
        for name in info.names:
            entry = machine.get(value, name)
            if entry is not None and name not in ("*", "**"):
                keywords[name] = entry
        if machine.get(value, "*") in (None, NONE) and "**" not in info.names:
            return
    keywords["**"] = value


def _call_attribute(
    machine: Machine,
    owner: Value,
    name: str,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> Value:
    """`owner.name(...)` for a plain owner."""
    if name in training.ACTS:
        training.noted(machine, owner, name, positional, keywords, site)
    if name in renamed.METHODS and len(positional) == 1:
        renamed.note(machine, owner, positional[0])
    if isinstance(owner, Ref) and machine.info(owner).kind == "foreign":
        result = outside.foreign_method(machine, owner, name, positional, keywords, site)
        if result is not None:
            return result
    found = attributes.find(machine, owner, name, site)
    if isinstance(found, attributes.Missing):
        return Opaque(shorten(f"{symbol_of(owner)}.{name}()"))
    return call(machine, found, positional, keywords, site)


def call(
    machine: Machine, function: Value, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """Call a value."""
    if isinstance(function, Choice):
        return spread(machine, function, lambda plain: call(machine, plain, positional, keywords, site))
    if isinstance(function, Function):
        return functions.call_function(machine, function, positional, keywords, site)
    if isinstance(function, Bound):
        return call(machine, function.function, (function.receiver, *positional), keywords, site)
    if isinstance(function, Partial):
        merged = {**dict(function.keywords), **keywords}
        return call(machine, function.function, (*function.positional, *positional), merged, site)
    if isinstance(function, ClassValue):
        return classes.instantiate(machine, function, positional, keywords, site)
    if isinstance(function, Method):
        return methods.call_method(machine, function, positional, keywords, site)
    if isinstance(function, External):
        return outside.call_external(machine, function, positional, keywords, site)
    if isinstance(function, LoadResult):
        results.note_misuse(machine, function, site)
    if isinstance(function, Ref):
        return _call_object(machine, function, positional, keywords, site)
    return _unknown(machine, function, positional, keywords, site)


def _call_object(
    machine: Machine, receiver: Ref, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """`obj(...)`: `__call__`, or for a module its `forward`."""
    info = machine.info(receiver)
    if info.kind == "file":
        loaded.note_module(machine, receiver, "__call__", site)
    if info.cls is not None:
        for name in ("__call__", "forward"):
            method = classes.attribute(machine, info.cls, name)
            if isinstance(method, Function):
                if name == "forward" and not outside.worth_running(machine, receiver):
                    break
                return functions.call_function(machine, method, (receiver, *positional), keywords, site)
    if info.wrapper is not None:
        inner = machine.get(receiver, info.token or "module")
        if isinstance(inner, Ref):
            return _call_object(machine, inner, positional, keywords, site)
    return Opaque(f"<object {receiver.id}>()")


def _super(machine: Machine, node: ir.Call) -> Value:
    """`super()` and `super(Class, self)`."""
    frame = machine.frames[-1]
    for outer in reversed(machine.frames):
        if outer.receiver is not None and outer.owner is not None:
            frame = outer
            break
    key = frame.owner
    receiver = frame.receiver
    if len(node.args) == 2:
        cls = expressions.evaluate(machine, node.args[0].value)
        receiver = expressions.evaluate(machine, node.args[1].value)
        key = cls.key if isinstance(cls, ClassValue) else key
    if key is None or receiver is None:
        return Opaque("super()")
    return SuperValue(key, receiver)


def _unknown(
    machine: Machine, function: Value, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """A call of something unknown: what it was given may be called or kept by it."""
    outside.note_escape(machine, positional, keywords)
    live.note_unknown(machine, symbol_of(function))
    outside.unknown_save(machine, symbol_of(function), positional, keywords, site)
    rendered = ", ".join(symbol_of(value) for value in positional[:3])
    symbol = symbol_of(function)
    kind = _kind_of_call(machine, symbol)
    result = Opaque(shorten(f"{symbol}({rendered})"), fresh=_makes_fresh(function), kind=kind)
    training.made(machine, result, positional, keywords, site)
    return result


def _kind_of_call(machine: Machine, symbol: str) -> str:
    """`parser.parse_args()`, whoever has made the parser."""
    return machine.knowledge.made(symbol) if symbol.endswith("_args") else ""


def _makes_fresh(function: Value) -> bool:
    """What an attribute of something from outside gives when called was made outside: `getattr(models, name)()`."""
    return isinstance(function, Opaque) and function.fresh
