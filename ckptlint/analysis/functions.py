"""Calling functions of the project: arguments are bound to parameters, the body is run, what it returns is joined."""

from __future__ import annotations

from ckptlint.analysis import calls, decorators, statements, widening
from ckptlint.analysis.guards import Guard
from ckptlint.analysis.machine import DEEPEST, Frame, Machine
from ckptlint.analysis.objects import FunctionInfo
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import NONE, ClassValue, Function, Opaque, Ref, Site, TupleValue, Value
from ckptlint.facts import ir
from ckptlint.source import UnreadableSource


def code_of(machine: Machine, info: FunctionInfo) -> ir.FunctionDef | ir.Lambda | None:
    """The function's code, read when it is first needed; None when it cannot be read."""
    if info.node is None:
        try:
            info.node = machine.store.function(info.file, info.unit)
        except UnreadableSource:
            return None
    return info.node


def call_function(
    machine: Machine, function: Function, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """Call a function of the project with values; an opaque value where the run goes no deeper."""
    info = machine.functions[function.key]
    code = code_of(machine, info)
    unknown = Opaque(shorten(f"{function.name}({', '.join(symbol_of(one) for one in positional[:4])})"))
    if code is None:
        return unknown
    if info.decorated and isinstance(code, ir.FunctionDef):
        decorated = decorators.of_function(machine, info, code)
        if decorated is not None:
            return calls.call(machine, decorated, positional, keywords, site)
    place = (info.file, info.unit, code.id)
    if machine.steps.has_built_enough or len(machine.running) >= DEEPEST or machine.running.count(place) > 0:
        return unknown
    if machine.patience.is_over(place):
        return unknown
    observed = machine.patience.before(place)
    machine.steps.tick()
    owner = info.owner
    receiver = positional[0] if positional and info.kind != "static" and owner is not None else None
    frame = Frame(machine.memory.new_owner(), info.file, info.unit, info.parents, info, receiver, owner, site)
    frame.given = (*positional, *keywords.values())
    frame.returned = []
    before = machine.guard
    machine.frames.append(frame)
    _bind_parameters(machine, frame, code, positional, keywords)
    machine.running.append(place)
    machine.calls.append(site)
    machine.executed.add((info.file, info.unit))
    if machine.candidates.is_marked(info.file, info.unit):
        machine.steps.reach(info.file, info.unit)
    if isinstance(receiver, Ref) and isinstance(cls := machine.info(receiver).cls, ClassValue):
        machine.executed_on.add((info.file, info.unit, cls.key))
    try:
        if isinstance(code, ir.Lambda):
            from ckptlint.analysis import expressions

            return expressions.evaluate(machine, code.body)
        alive = statements.run_block(machine, code.body)
        if alive:
            frame.returned.append((machine.guard, NONE))
    finally:
        machine.guard = before
        machine.frames.pop()
        machine.running.pop()
        machine.calls.pop()
    given = _joined(machine, frame.returned, before, unknown)
    if observed is not None:
        machine.patience.after(place, observed, given)
    return given


def _joined(machine: Machine, returned: list[tuple[Guard, Value]], outer: Guard, unknown: Opaque) -> Value:
    """What the call gives: each `return` under the conditions that led to it inside the call."""
    if not returned:
        return Opaque("never returns")
    values = [value for _, value in returned]
    if all(value == NONE for value in values):
        return NONE
    cases = [(guard - outer, value) for guard, value in returned]
    return widening.join(machine, cases, unknown.symbol)


def _bind_parameters(
    machine: Machine,
    frame: Frame,
    code: ir.FunctionDef | ir.Lambda,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
) -> None:
    from ckptlint.analysis import expressions

    memory, scope = machine.memory, frame.scope
    left = list(positional)
    rest = dict(keywords)
    open_ended = "**" in rest
    rest.pop("**", None)
    starred = rest.pop("*", None)
    for parameter in code.params:
        name = parameter.name
        if parameter.kind == "*":
            memory.write(scope, name, TupleValue(tuple(left)))
            left = []
        elif parameter.kind == "**":
            made = machine.new_object("dict", None, None)
            memory.write(made.id, "*", NONE)
            for key, value in rest.items():
                machine.set(made, key, value)
            if open_ended:
                machine.set(made, "**", Opaque(name))
            memory.write(scope, name, made)
        elif parameter.kind in ("positional", "normal") and left:
            memory.write(scope, name, left.pop(0))
            rest.pop(name, None)
        elif name in rest:
            memory.write(scope, name, rest.pop(name))
        elif starred is not None and parameter.kind != "keyword":
            memory.write(scope, name, starred)
        elif parameter.default is not None and not open_ended:
            memory.write(scope, name, expressions.evaluate(machine, parameter.default))
        else:
            memory.write(scope, name, Opaque(name))


def is_generator(code: ir.FunctionDef) -> bool:
    """Whether the function yields (looked for at the top of its statements only)."""
    return any(isinstance(one, ir.ExprStmt) and isinstance(one.value, ir.Yield) for one in code.body)


def opaque_arguments(code: ir.FunctionDef | ir.Lambda, receiver: Ref | None) -> tuple[Value, ...]:
    """Unknown arguments for a function that nobody in the project calls."""
    return () if receiver is None else (receiver,)
