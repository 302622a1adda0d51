"""Regular expressions on the keys of a state dict: `re.sub(r"^module\\.", "", key)`, compiled first or not.

One `Key` stands for all keys, with a known prefix and an unknown rest, so the substitution is really done: on the
prefix with the names of some layers behind it. What it does to all of them alike it does to the prefix:

    prefix "module."     module.conv1.weight  ->  conv1.weight      prefix ""
    prefix ""            conv1.weight         ->  conv1.weight      prefix ""
    r"^[^.]*\\.":         conv1.weight         ->  weight            cut into the names
"""

from __future__ import annotations

import re

import msgspec

from ckptlint.analysis.keys import CUT, changed
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.values import TOKENS, Const, External, Key, Opaque, Ref, Site, Value

#: The class of what `re.compile` gives.
PATTERN = "re.Pattern"

_NAMES = ("conv1.weight", "layers.0.norm.running_mean")
_UNKNOWN = Opaque("key after re.sub")


class _DiffersError(Exception):
    """The expression does one thing to one name and another to the next."""


def compiled(machine: Machine, positional: tuple[Value, ...], site: Site) -> Ref:
    """`re.compile(pattern)`."""
    made = machine.new_object("foreign", External(PATTERN), site)
    machine.info(made).positional = positional
    return made


def method(
    machine: Machine, receiver: Ref, name: str, positional: tuple[Value, ...], keywords: dict[str, Value]
) -> Value | None:
    """A method of a compiled expression, None where nothing is known of it."""
    pattern = machine.info(receiver).positional
    if name != "sub" or not pattern:
        return None
    return substituted(machine, (pattern[0], *positional), keywords)


def substituted(machine: Machine, positional: tuple[Value, ...], keywords: dict[str, Value]) -> Value | None:
    """`re.sub(pattern, new, text, count)`; None where the text is no key of a state dict."""
    given = dict(zip(("pattern", "repl", "string", "count"), positional, strict=False)) | keywords
    text = given.get("string")
    if text is None or "repl" not in given:
        return None

    def one(plain: Value) -> Value:
        if not isinstance(plain, Key):
            return _UNKNOWN
        return spread(machine, given["pattern"], lambda pattern: _on_key(machine, pattern, given, plain))

    found = spread(machine, text, one)
    return None if found == _UNKNOWN else found


def _on_key(machine: Machine, pattern: Value, given: dict[str, Value], key: Key) -> Value:
    if isinstance(pattern, Ref) and machine.info(pattern).cls == External(PATTERN):
        pattern = next(iter(machine.info(pattern).positional), pattern)
    new, count = given["repl"], given.get("count", Const(0))
    if not (isinstance(pattern, Const) and isinstance(pattern.value, str)):
        return _UNKNOWN
    if not (isinstance(new, Const) and isinstance(new.value, str)):
        return _UNKNOWN
    if not (isinstance(count, Const) and isinstance(count.value, int)):
        return _UNKNOWN
    return substitute(key, pattern.value, new.value, count.value)


def substitute(key: Key, pattern: str, new: str, count: int) -> Value:
    """`re.sub(pattern, new, key, count)`; a count of 0 is no limit. Opaque where keys fare differently."""
    try:
        expression = re.compile(pattern)
        found = changed(key, lambda prefix: _in_front(expression, new, count, prefix))
        inside = {f"{token}." for token in TOKENS if expression.sub(new, f"a.{token}.b") == "a.b"}
    except (re.error, IndexError, _DiffersError):
        return _UNKNOWN
    return msgspec.structs.replace(found, emptied=found.emptied | inside) if inside and not count else found


def _in_front(expression: re.Pattern[str], new: str, count: int, prefix: str) -> str:
    """What is left of the prefix."""
    if prefix.startswith(CUT):
        return CUT
    left = {_before(name, expression.sub(new, prefix + name, count=count)) for name in _NAMES}
    if len(left) != 1:
        raise _DiffersError
    return left.pop()


def _before(name: str, text: str) -> str:
    if text.endswith(name):
        return text.removesuffix(name)
    if text and name.endswith(text):
        return CUT
    raise _DiffersError
