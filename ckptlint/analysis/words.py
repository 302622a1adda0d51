"""Conditions and keys in words, for messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ckptlint.analysis.guards import Guard, Literal, both, covering

_HIDDEN = ("<", "exception", "prefix of file", "file ", "a load", "case at", "mixed", "key ", "__name__", "not ")

#: What nobody has written so: elements of what a loop goes over, objects, ...
_UNCLEAR = ("~", "None", "<object", "[]", "@", "|")


#: So many conditions are said of one side.
_MOST_SAID = 2

#: Where something was made, behind its name; and its number.
_PLACE = re.compile(r"@(?:copy )?\d+|@[^@\s\[\]()',]*:\d+:\d+")


def condition(guards: Iterable[Guard], against: Iterable[Guard] = ()) -> str:
    """What tells the cases `guards` from the cases `against`, as code; "" where it can't be said shortly."""
    return conditions([(guard,) for guard in guards], [(guard,) for guard in against])[0]


def conditions(wanted: Sequence[tuple[Guard, ...]], against: Sequence[tuple[Guard, ...]]) -> tuple[str, ...]:
    """The same for cases with several sides, how a file was written and how it is read, one text a side.

    Said is what all wanted cases share, and of that only what rules the others out: first what rules out most of them,
    then what rules out most of the rest.
    """
    if not wanted:
        return ("",)
    sides = range(len(wanted[0]))
    shared = [(side, one) for side in sides for one in sorted(covering([case[side] for case in wanted]))]
    texts = {option: text for option in shared if (text := _literal(option[1]))}
    said: list[list[str]] = [[] for _ in sides]
    left, holds = list(against), _excludes
    if not any(_excludes(option, case) for option in texts for case in left):
        holds = _is_absent
    while texts:
        best = max(texts, key=lambda option: sum(holds(option, case) for case in left))
        if left and not any(holds(best, case) for case in left):
            break
        text = texts.pop(best)
        if len(said[best[0]]) < _MOST_SAID:
            said[best[0]].append(text)
        left = [case for case in left if not holds(best, case)]
        if not left and against:
            break
    return tuple(" and ".join(_in_brackets(texts)) for texts in said)


def _in_brackets(texts: Sequence[str]) -> list[str]:
    return [f"({text})" if " or " in text and len(texts) > 1 and text[0] != "(" else text for text in texts]


def _excludes(option: tuple[int, Literal], case: tuple[Guard, ...]) -> bool:
    side, literal = option
    return both(frozenset((literal,)), case[side]) is None


def _is_absent(option: tuple[int, Literal], case: tuple[Guard, ...]) -> bool:
    side, literal = option
    return literal not in case[side]


def _literal(literal: Literal) -> str:
    if literal.parts:
        said = [_literal(~part) for part in literal.parts]
        return " or ".join(said) if all(said) and not literal.negated else ""
    symbol = _PLACE.sub("", literal.symbol)
    if symbol.startswith(_HIDDEN) or len(symbol) > 70 or any(text in symbol for text in _UNCLEAR):
        return ""
    if literal.op == "truthy":
        return f"not {symbol}" if literal.negated else symbol
    opposite = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<", "is": "is not"}
    op = opposite[literal.op] if literal.negated else literal.op
    return f"{symbol} {op} {literal.constant!r}"


def key_list(keys: Sequence[str], most: int = 2) -> str:
    """Keys as torch lists them: `"module.conv.weight", "module.conv.bias", ...`."""
    plain = list(dict.fromkeys(map(_known_part, keys)))
    whole = [key for key in plain if not key.endswith("...")] or plain
    shown = ", ".join(f'"{key}"' for key in whole[:most])
    return shown + (", ..." if len(whole) > most or len(whole) < len(plain) else "")


def _known_part(key: str) -> str:
    """A key as far as its names are known: of a part that was given a computed name, what stands before it."""
    known, brace, _ = key.partition("{")
    return f"{known}..." if brace else key


def _stop(shown: str) -> str:
    return "" if shown.endswith(", ...") else "."


def load_error(missing: Sequence[str], unexpected: Sequence[str], prefixes: tuple[str, str] = ("", "")) -> str:
    """What torch will say: missing keys first, then unexpected ones.

    `prefixes` are those of the target's and of the file's keys, for when no name is known.
    """
    said: list[str] = []
    for kind, keys in (("Missing", missing), ("Unexpected", unexpected)):
        shown = key_list(keys)
        if shown and shown != '"..."':
            said.append(f"{kind} key(s) in state_dict: {shown}{_stop(shown)}")
    if not said and prefixes[1]:
        said.append(f'Unexpected key(s) in state_dict: "{prefixes[1]}...".')
    if not said and prefixes[0]:
        said.append(f'Missing key(s) in state_dict: "{prefixes[0]}...".')
    return " ".join(said)
