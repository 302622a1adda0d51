"""Conditions and keys in words, for messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ckptlint.analysis.guards import Guard, Literal

_HIDDEN = ("<", "exception", "prefix of file", "file ", "a load", "case at", "mixed", "key ", "__name__", "not ")


def condition(guards: Iterable[Guard], against: Iterable[Guard] = ()) -> str:
    """What tells the cases `guards` from the cases `against`, as code; "" where it can't be said shortly."""
    wanted = list(guards)
    if not wanted:
        return ""
    common = frozenset.intersection(*wanted)
    opposite = frozenset().union(*against) if against else frozenset()
    telling = [literal for literal in sorted(common) if ~literal in opposite] or [
        literal for literal in sorted(common) if literal not in opposite
    ]
    said = [text for literal in telling[:2] if (text := _literal(literal))]
    return " and ".join(said)


def _literal(literal: Literal) -> str:
    if literal.parts:
        said = [_literal(part) for part in literal.parts]
        return f"not ({' and '.join(said)})" if all(said) and not literal.negated else ""
    symbol = literal.symbol.partition("@")[0]
    if symbol.startswith(_HIDDEN) or "~" in symbol or "None" in symbol or "<object" in symbol or len(symbol) > 70:
        return ""
    if literal.op == "truthy":
        return f"not {symbol}" if literal.negated else symbol
    opposite = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<", "is": "is not"}
    op = opposite[literal.op] if literal.negated else literal.op
    return f"{symbol} {op} {literal.constant!r}"


def key_list(keys: Sequence[str], most: int = 2) -> str:
    """Keys as torch lists them: `"module.conv.weight", "module.conv.bias", ...`."""
    shown = ", ".join(f'"{key}"' for key in keys[:most])
    return shown + (", ..." if len(keys) > most else "")


def _stop(keys: Sequence[str], most: int = 2) -> str:
    return "" if len(keys) > most else "."


def load_error(missing: Sequence[str], unexpected: Sequence[str], prefixes: tuple[str, str] = ("", "")) -> str:
    """What torch will say: missing keys first, then unexpected ones.

    `prefixes` are those of the target's and of the file's keys, for when no name is known.
    """
    said: list[str] = []
    if missing:
        said.append(f"Missing key(s) in state_dict: {key_list(missing)}{_stop(missing)}")
    if unexpected:
        said.append(f"Unexpected key(s) in state_dict: {key_list(unexpected)}{_stop(unexpected)}")
    if not said and prefixes[1]:
        said.append(f'Unexpected key(s) in state_dict: "{prefixes[1]}...".')
    if not said and prefixes[0]:
        said.append(f'Missing key(s) in state_dict: "{prefixes[0]}...".')
    return " ".join(said)
