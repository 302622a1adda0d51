"""Which renaming turns one set of keys into another: one rule for a thousand keys.

    module.conv1.weight, module.conv1.bias, ...      ->  rename "module." to ""           (62 keys)
    backbone.layer1.0.weight, ...                    ->  rename "backbone." to "encoder." (60 keys)

Two keys can be the same tensor under another name when their facts (shape and dtype) are equal and they end in the
same parts. What stands in front of the common end votes for a rule; the rule with the most votes wins, and those behind
it of which no key was taken; their keys are taken out, and the rest vote again. A rule is kept when it explains at
least two keys, or all that are left.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

_MAX_RULES = 20
_MAX_CANDIDATES = 20
_MAX_PARTS = 16


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
        found = _elected(left, right)
        if not found:
            break
        rules += found
    return rules[:_MAX_RULES]


def _elected(left: dict[str, Hashable], right: dict[str, Hashable]) -> list[Rename]:
    """The rules that one vote decides; their keys are taken out of `left` and `right`.

    The first is the one with the most votes. Those behind it count as well, as long as each still explains every key
    that voted for it: a vote of 50,000 keys is slow, and a model of 30 renamed blocks would need 30 of them.
    """
    votes = _votes(left, right)
    # Among rules that explain as much, the shortest says it best.
    ranked = sorted(votes.items(), key=lambda item: (-item[1], len(item[0][0]) + len(item[0][1]), item[0]))
    rules: list[Rename] = []
    done: set[tuple[str, str]] = set()
    for (old, new), count in ranked:
        if len(rules) == _MAX_RULES:
            break
        if ("old", old) in done or ("new", new) in done:
            continue  # its keys are mostly taken; the next vote shows what is left of it
        pairs = tuple(
            (key, new + key[len(old) :]) for key in left if key.startswith(old) and _fits(key, old, new, left, right)
        )
        if rules and len(pairs) < count:
            break
        if count < 2 and len(pairs) < min(len(left), len(right)):
            break
        rules.append(Rename(old, new, pairs))
        done |= {("old", old), ("new", new)}
        for key, renamed in pairs:
            del left[key]
            del right[renamed]
    return rules


def _fits(key: str, old: str, new: str, left: Mapping[str, Hashable], right: Mapping[str, Hashable]) -> bool:
    renamed = new + key[len(old) :]
    return renamed in right and right[renamed] == left[key]


def _votes(left: Mapping[str, Hashable], right: Mapping[str, Hashable]) -> dict[tuple[str, str], int]:
    """(old prefix, new prefix) -> the number of keys that it would explain.

    Each key votes for the keys with which it has the longest end in common.
    """
    ends: dict[tuple[str, Hashable], list[str]] = {}
    for key, fact in right.items():
        for end in _ends(key):
            found = ends.setdefault((end, fact), [])
            if len(found) < _MAX_CANDIDATES:
                found.append(key)
    votes: dict[tuple[str, str], int] = {}
    for key, fact in left.items():
        for end in _ends(key):
            candidates = ends.get((end, fact))
            if candidates:
                for other in candidates:
                    rule = (key[: len(key) - len(end)], other[: len(other) - len(end)])
                    votes[rule] = votes.get(rule, 0) + 1
                break
    return votes


def _ends(key: str) -> list[str]:
    """The key and what is left of it when parts are taken off its start; the longest first."""
    ends = [key]
    at = key.find(".")
    while at >= 0 and len(ends) < _MAX_PARTS:
        ends.append(key[at + 1 :])
        at = key.find(".", at + 1)
    return ends
