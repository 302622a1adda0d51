"""Which renaming turns one set of keys into another: one rule for a thousand keys.

    module.conv1.weight, module.conv1.bias, ...      ->  rename "module." to ""           (62 keys)
    backbone.layer1.0.weight, ...                    ->  rename "backbone." to "encoder." (60 keys)

Two keys can be the same tensor under another name when their facts (shape and dtype) are equal and they end in the
same parts. What stands in front of the common end votes for a rule; the rule with the most votes wins, its keys are
taken out, and the rest vote again. A rule is kept when it explains at least two keys, or all that are left.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

_MAX_RULES = 20
_MAX_CANDIDATES = 50


class Rename(NamedTuple):
    """`old` at the start of a key became `new`; `keys` are the pairs that it explains. Prefixes end in a dot or are
    empty, or are whole keys."""

    old: str
    new: str
    keys: tuple[tuple[str, str], ...]


def infer_renames(before: Mapping[str, Hashable], after: Mapping[str, Hashable]) -> list[Rename]:
    """The rules that turn keys of `before` into keys of `after`; both map keys to facts that a renaming keeps."""
    left = {key: fact for key, fact in before.items() if key not in after}
    right = {key: fact for key, fact in after.items() if key not in before}
    rules: list[Rename] = []
    while left and right and len(rules) < _MAX_RULES:
        votes = _votes(left, right)
        if not votes:
            break
        # Among rules that explain as much, the shortest says it best.
        (old, new), count = min(votes.items(), key=lambda item: (-item[1], len(item[0][0]) + len(item[0][1]), item[0]))
        pairs = tuple(
            (key, new + key[len(old) :]) for key in left if key.startswith(old) and _fits(key, old, new, left, right)
        )
        if count < 2 and len(pairs) < min(len(left), len(right)):
            break
        rules.append(Rename(old, new, pairs))
        for key, renamed in pairs:
            del left[key]
            del right[renamed]
    return rules


def _fits(key: str, old: str, new: str, left: Mapping[str, Hashable], right: Mapping[str, Hashable]) -> bool:
    renamed = new + key[len(old) :]
    return renamed in right and right[renamed] == left[key]


def _votes(left: Mapping[str, Hashable], right: Mapping[str, Hashable]) -> dict[tuple[str, str], int]:
    """(old prefix, new prefix) -> the number of keys that it would explain."""
    ends: dict[tuple[str, Hashable], list[str]] = {}
    for key, fact in right.items():
        ends.setdefault((key.rpartition(".")[2], fact), []).append(key)
    votes: dict[tuple[str, str], int] = {}
    for key, fact in left.items():
        for other in ends.get((key.rpartition(".")[2], fact), [])[:_MAX_CANDIDATES]:
            for rule in _rules(key, other):
                votes[rule] = votes.get(rule, 0) + 1
    return votes


def _rules(key: str, other: str) -> list[tuple[str, str]]:
    """The prefixes that remain when whole parts are taken off the common end, one part less each time."""
    mine, theirs = key.split("."), other.split(".")
    common = 0
    while common < min(len(mine), len(theirs)) and mine[-1 - common] == theirs[-1 - common]:
        common += 1
    rules = []
    for parts in range(common, 0, -1):
        old, new = mine[: len(mine) - parts], theirs[: len(theirs) - parts]
        rules.append((".".join([*old, ""]) if old else "", ".".join([*new, ""]) if new else ""))
    return rules[:3]
