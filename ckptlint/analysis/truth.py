"""When a value counts as true, when as false: two lists of guards.

Const(True)                         ->  always                         never
Opaque("args.parallel")             ->  args.parallel                  not args.parallel
Choice(True if A, False if not A)   ->  A                              not A
an object                           ->  always                         never
"""

from __future__ import annotations

from ckptlint.analysis.guards import ALWAYS, Guard, Literal, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import shorten
from ckptlint.analysis.values import (
    Choice,
    Const,
    Content,
    External,
    Method,
    Opaque,
    Ref,
    Text,
    TupleValue,
    Value,
    merge,
)

Cases = tuple[Guard, ...]


def cases_of(value: Value) -> tuple[Cases, Cases]:
    """The guards under which the value is true, and those under which it is false."""
    if type(value) is not Choice:
        return _plain(value)
    yes: list[Guard] = []
    no: list[Guard] = []
    for guard, plain in value.alternatives:
        inner_yes, inner_no = _plain(plain)
        yes += [joined for inner in inner_yes if (joined := both(guard, inner)) is not None]
        no += [joined for inner in inner_no if (joined := both(guard, inner)) is not None]
    return tuple(merge(yes)), tuple(merge(no))


def _plain(value: Value) -> tuple[Cases, Cases]:
    if isinstance(value, Const):
        return ((ALWAYS,), ()) if value.value else ((), (ALWAYS,))
    if isinstance(value, Method) and isinstance(value.receiver, Opaque):
        # `args.compile`: a flag that has the name of a method
        value = Opaque(shorten(f"{value.receiver.symbol}.{value.name}"))
    if isinstance(value, Opaque):
        literal = Literal(value.symbol, "truthy")
        return (frozenset((literal,)),), (frozenset((~literal,)),)
    if isinstance(value, TupleValue):
        return ((ALWAYS,), ()) if value.items else ((), (ALWAYS,))
    if isinstance(value, (Text, External, Method, Ref, Content)):
        return ((ALWAYS,), ())
    return ((ALWAYS,), ())


def truth(machine: Machine, value: Value) -> tuple[Cases, Cases]:
    """`cases_of`, without what the present guard excludes."""
    if isinstance(value, Ref):
        return _object(machine, value)
    yes, no = cases_of(value)
    if machine.guard:
        yes = tuple(guard for guard in yes if both(machine.guard, guard) is not None)
        no = tuple(guard for guard in no if both(machine.guard, guard) is not None)
    return yes, no


def _object(machine: Machine, ref: Ref) -> tuple[Cases, Cases]:
    """An empty list or dict that was just made is false; one that may have grown is not known."""
    info = machine.info(ref)
    if info.history is not None:
        info.history.counted = True
    if info.kind in ("list", "dict") and not info.names and machine.get(ref, "*") is None:
        literal = Literal(f"<object {ref.id}> is filled", "truthy")
        return (frozenset((literal,)),), (frozenset((~literal,)),)
    return ((ALWAYS,), ())
