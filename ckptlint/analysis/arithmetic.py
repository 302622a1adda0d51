"""Operators on plain values: numbers, strings, paths, keys of a state dict."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from ckptlint.analysis import keys, picks
from ckptlint.analysis.guards import Literal
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import (
    TENSOR,
    Choice,
    ClassValue,
    Const,
    Content,
    External,
    Key,
    Keys,
    Opaque,
    Ref,
    Site,
    Text,
    TupleValue,
    Value,
)

_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONVERSION = re.compile(r"%(?:%|(?:\(\w+\))?[-+ #0]*[\d*]*(?:\.[\d*]+)?[a-zA-Z])")
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def unary(op: str, value: Value) -> Value:
    """`-x`, `+x`, `~x`."""
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        if op == "-":
            return Const(-value.value)
        if op == "+":
            return value
    return Opaque(shorten(op + symbol_of(value)), kind=numeric_kind((value,)))


def pieces(value: Value) -> tuple[str | Opaque, ...] | None:
    """The pieces of a string, None when the value is no string as far as one can see."""
    if isinstance(value, Const):
        return (str(value.value),)
    if isinstance(value, Text):
        return value.parts
    if isinstance(value, Opaque):
        return (value,)
    return None


def concatenate(left: Value, right: Value) -> Value:
    """Two strings in a row; either may be a key of a state dict."""
    if isinstance(right, Key):
        before = "".join(part for part in (pieces(left) or ("",)) if isinstance(part, str))
        whole = all(isinstance(part, str) for part in (pieces(left) or ()))
        return keys.prefixed(right, before) if whole else Opaque("key with unknown prefix")
    if isinstance(left, Key):
        return left
    one, other = pieces(left), pieces(right)
    if one is None or other is None:
        return Text((*(one or (Opaque(symbol_of(left)),)), *(other or (Opaque(symbol_of(right)),))))
    return text((*one, *other))


def text(parts: tuple[str | Opaque, ...]) -> Value:
    """A string of these pieces: neighbours joined, a constant when nothing is unknown."""
    joined: list[str | Opaque] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    if all(isinstance(part, str) for part in joined):
        return Const("".join(part for part in joined if isinstance(part, str)))
    return Text(tuple(joined[:24]))


def binary(machine: Machine, op: str, left: Value, right: Value) -> Value:
    """`left op right`."""
    if op in ("-", "^") and (isinstance(left, Keys) or isinstance(right, Keys)):
        picks.note_compared(machine, left, right)
    if isinstance(left, Const) and isinstance(right, Const):
        known = _constants(op, left.value, right.value)
        if known is not None:
            return known
    if op == "+" and isinstance(left, TupleValue) and isinstance(right, TupleValue):
        return TupleValue(left.items + right.items)
    if op == "+" and isinstance(left, Ref) and isinstance(right, Ref):
        return _together(machine, left, right)
    if (kind := numeric_kind((left, right))) and op != "%":
        return Opaque(shorten(f"({symbol_of(left)} {op} {symbol_of(right)})"), kind=kind)
    if op == "+" and (_textual(left) or _textual(right)):
        return concatenate(left, right)
    if op == "%" and _textual(left):
        return formatted(left, right)
    if op == "/" and (_textual(left) or _textual(right) or isinstance(right, Opaque)):
        separated = concatenate(left, Const("/"))
        return concatenate(separated, right)
    if op == "|" and isinstance(left, Ref) and machine.info(left).kind == "dict":
        return left
    return Opaque(shorten(f"({symbol_of(left)} {op} {symbol_of(right)})"))


def _together(machine: Machine, left: Ref, right: Ref) -> Value:
    """`[a] + [b]`."""
    from ckptlint.analysis import entries, loops

    if machine.info(left).kind != "list" or machine.info(right).kind != "list":
        return Opaque(shorten(f"({symbol_of(left)} + {symbol_of(right)})"))
    made = entries.new_list(machine, (), None)
    loops.extend(machine, made, left)
    loops.extend(machine, made, right)
    machine.info(made).grown = machine.info(left).grown or machine.info(right).grown
    return made


def numeric_kind(values: Iterable[Value]) -> str:
    """The kind of numpy's or torch's that a calculation with these gives; numbers of Python leave it."""
    kinds = (one.kind for one in values if isinstance(one, Opaque))
    return next((kind for kind in kinds if kind.startswith("numpy.") or kind == TENSOR), "")


def _textual(value: Value) -> bool:
    return isinstance(value, (Text, Key)) or (isinstance(value, Const) and isinstance(value.value, str))


def _constants(op: str, left: object, right: object) -> Value | None:
    if isinstance(left, str) and isinstance(right, str) and op == "+":
        return Const(left + right)
    if isinstance(left, (int, float)) and isinstance(right, (int, float)) and op in _NUMBERS:
        if op in ("//", "%") and right == 0:
            return None
        return Const(_NUMBERS[op](left, right))
    return None


def formatted(template: Value, arguments: Value) -> Value:
    """`"%s/%d.pth" % (a, b)`: each conversion takes one argument."""
    parts = pieces(template)
    if parts is None or not all(isinstance(part, str) for part in parts):
        return Opaque(shorten(symbol_of(template) + " % ..."))
    given: list[Value] = list(arguments.items) if isinstance(arguments, TupleValue) else [arguments]
    return text(tuple(_filled("".join(str(part) for part in parts), given)))


def _filled(template: str, given: list[Value]) -> list[str | Opaque]:
    result: list[str | Opaque] = []
    position = 0
    for conversion in _CONVERSION.finditer(template):
        result.append(template[position : conversion.start()])
        position = conversion.end()
        if conversion.group() == "%%":
            result.append("%")
        else:
            result.extend((pieces(given.pop(0)) if given else None) or (Opaque("argument"),))
    result.append(template[position:])
    return result


def compare(machine: Machine, op: str, left: Value, right: Value, site: Site | None = None) -> Value:
    """`left op right` for a comparison; a test of an unknown against a constant is a literal on its symbol."""
    if op in ("in", "not in"):
        symbol = picks.asked(machine, left, right, site)
        return _negate(_contains(machine, left, right, symbol), op == "not in")
    if isinstance(left, Keys) and isinstance(right, Keys):
        picks.note_compared(machine, left, right)
    if op in ("is", "is not"):
        same = _same_class(machine, left, right)
        return _negate(_identical(left, right) if same is None else Const(same), op == "is not")
    if isinstance(left, Key) or isinstance(right, Key):
        if isinstance(left, Key) and isinstance(right, Const) and op in ("==", "!="):
            equal = keys.equals(machine, left, right.value) if isinstance(right.value, str) else False
            if equal is not None:
                return Const(equal is (op == "=="))
        return Opaque(shorten(f"({symbol_of(left)} {op} {symbol_of(right)})"))
    if (same := _same_class(machine, left, right)) is not None:
        return Const(same is (op == "==")) if op in ("==", "!=") else Opaque("comparison")
    if isinstance(left, Const) and isinstance(right, Const):
        return _compare_constants(op, left, right)
    if isinstance(left, Opaque) and isinstance(right, Const):
        return _literal(left.symbol, op, right)
    if isinstance(left, Const) and isinstance(right, Opaque) and op in _MIRROR:
        return _literal(right.symbol, _MIRROR[op], left)
    if op in ("==", "!=") and left == right and not isinstance(left, Ref):
        return Const(op == "==")
    if isinstance(left, (Text, Ref, TupleValue)) or isinstance(right, (Text, Ref, TupleValue)):
        return Opaque(shorten(f"({symbol_of(left)} {op} {symbol_of(right)})"))
    return Opaque(shorten(f"({symbol_of(left)} {op} {symbol_of(right)})"))


def _literal(symbol: str, op: str, constant: Const) -> Value:
    if op == "!=":
        literal = ~Literal(symbol, "==", constant.value)
    elif op in ("==", "<", "<=", ">", ">="):
        literal = Literal(symbol, op, constant.value)
    else:
        return Opaque(shorten(f"({symbol} {op} {constant.value!r})"))
    return decided_by(literal)


def decided_by(literal: Literal) -> Value:
    """True under the literal, False under its opposite."""
    return Choice(((frozenset((literal,)), Const(True)), (frozenset((~literal,)), Const(False))))


def _compare_constants(op: str, left: Const, right: Const) -> Value:
    if op == "==":
        return Const(left.value == right.value)
    if op == "!=":
        return Const(left.value != right.value)
    one, other = left.value, right.value
    if isinstance(one, (int, float)) and isinstance(other, (int, float)) and op in _ORDER:
        return Const(_ORDER[op](one, other))
    if isinstance(one, str) and isinstance(other, str) and op in _ORDER:
        return Const(_ORDER[op](one, other))
    return Opaque("comparison")


def _identical(left: Value, right: Value) -> Value:
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(left.value == right.value)
    if isinstance(left, Opaque) and isinstance(right, Const):
        if left.fresh and right.value is None:
            return Const(False)
        return decided_by(Literal(left.symbol, "is", right.value))
    if isinstance(right, Const):
        return Const(False)
    if left == right:
        return Const(True)
    return Opaque(shorten(f"({symbol_of(left)} is {symbol_of(right)})"))


def membership(machine: Machine, op: str, container: Value, result: Opaque, site: Site) -> Value:
    """`key in own` for so many kinds of keys that the cases are no longer told apart: still a test of membership."""
    if op not in ("in", "not in") or result != Opaque("mixed"):
        return result
    return spread(
        machine,
        container,
        lambda one: _negate(Opaque(picks.asked_at(machine, one, site) or result.symbol), op == "not in"),
    )


def _contains(machine: Machine, item: Value, container: Value, symbol: str | None = None) -> Value:
    if isinstance(item, Const) and isinstance(item.value, str):
        if isinstance(container, Key):
            return keys.mentions(container, item.value)
        if isinstance(container, Const) and isinstance(container.value, str):
            return Const(item.value in container.value)
    if isinstance(item, Key):
        owner = keys.content_of(machine, container)
        if owner is not None and not keys.member(item, owner):
            return Const(False)
    if symbol is not None:
        return Opaque(symbol)
    if isinstance(container, (Keys, Content)) and isinstance(item, Const):
        content = container if isinstance(container, Content) else container.content
        if content.file is not None:
            return Opaque(f"file {content.file} has {'.'.join((*content.entry, str(item.value)))}")
        return Opaque(shorten(f"({item.value!r} in keys)"))
    if isinstance(container, TupleValue):
        same = [_same_class(machine, item, one) for one in container.items]
        if same and (any(same) or None not in same):
            return Const(any(same))
    if isinstance(container, TupleValue) and isinstance(item, (Const, Opaque)):
        return _among(item, container.items)
    if isinstance(container, Ref):
        info = machine.info(container)
        if info.kind == "dict" and isinstance(item, Const):
            if str(item.value) in info.names:
                return Const(True)
            if machine.get(container, "*") in (None, Const(None)):
                return Const(False)
        if info.kind == "file" and isinstance(item, Const):
            entry = ".".join((*info.entry, str(item.value)))
            return Opaque(f"file {info.file} has {entry}")
        if info.kind == "list":
            items = [machine.get(container, name) or Opaque("item") for name in info.names]
            if "*" not in info.names and isinstance(item, (External, ClassValue)):
                return _contains(machine, item, TupleValue(tuple(items)))
            if "*" not in info.names and isinstance(item, (Const, Opaque)):
                return _among(item, tuple(items))
    return Opaque(shorten(f"({symbol_of(item)} in {symbol_of(container)})"))


def _among(item: Const | Opaque, items: tuple[Value, ...]) -> Value:
    if isinstance(item, Const) and all(isinstance(one, Const) for one in items):
        return Const(any(item == one for one in items))
    if isinstance(item, Opaque) and 0 < len(items) <= 3:
        numbers = [one.value for one in items if isinstance(one, Const) and type(one.value) is int]
        if len(numbers) == len(items):
            return _is_one_of(item, numbers)
    return Opaque(shorten(f"({symbol_of(item)} in ({', '.join(symbol_of(one) for one in items)}))"))


def _is_one_of(item: Opaque, numbers: list[int]) -> Value:
    """`local_rank in (-1, 0)`: true where it is one of them."""
    literals = [Literal(item.symbol, "==", number) for number in dict.fromkeys(numbers)]
    cases: list[tuple[frozenset[Literal], Value]] = [(frozenset((one,)), Const(True)) for one in literals]
    return Choice((*cases, (frozenset(~one for one in literals), Const(False))))


def _same_class(machine: Machine, left: Value, right: Value) -> bool | None:
    """Whether two classes are one, None when either is no class that is known. torch has several names for one class.

    The type of something that was just made outside is no wrapper: who would wrap it?
    """
    if isinstance(left, (External, ClassValue)) and isinstance(right, (External, ClassValue)):
        if isinstance(left, External) and isinstance(right, External):
            wrapper = machine.knowledge.wrapper(left.name)
            return left == right or (wrapper is not None and wrapper == machine.knowledge.wrapper(right.name))
        return left == right
    for one, other in ((left, right), (right, left)):
        if isinstance(one, External) and isinstance(other, Opaque) and other.fresh:
            return False if machine.knowledge.wrapper(one.name) is not None else None
    return None


def _negate(value: Value, negate: bool) -> Value:
    if not negate:
        return value
    if isinstance(value, Const):
        return Const(not value.value)
    if isinstance(value, Choice):
        return Choice(
            tuple(
                (guard, Const(not plain.value) if isinstance(plain, Const) else plain)
                for guard, plain in value.alternatives
            )
        )
    if isinstance(value, Opaque):
        return decided_by(~Literal(value.symbol, "truthy"))
    return value
