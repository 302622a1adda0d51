"""A thousand keys in a dozen lines: the same key in every layer is one pattern.

    layers.0.attn.weight  float32 (768, 768)
    layers.1.attn.weight  float32 (768, 768)      ->   layers.{0..2}.attn.weight  float32 (768, 768)   3 keys
    layers.2.attn.weight  float32 (768, 768)

Only keys with the same fact (shape and dtype, or whatever the caller compares) fold into one pattern, and a pattern
stands for exactly its keys: `{0..2}.{0,3}` means all six combinations.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

_MAX_NUMBERS = 8

Fact = TypeVar("Fact", bound=Hashable)


class Folded(Generic[Fact]):
    """A pattern and the keys it stands for, in the order in which they came."""

    __slots__ = ("fact", "keys", "pattern")

    def __init__(self, pattern: str, fact: Fact, keys: tuple[str, ...]) -> None:
        """`pattern` stands for exactly `keys`, which share the fact."""
        self.pattern = pattern
        self.fact = fact
        self.keys = keys


def fold(keys: Iterable[tuple[str, Fact]]) -> list[Folded[Fact]]:
    """Fold (key, fact) pairs; the patterns come in the order of their first keys."""
    groups: dict[tuple[str, Fact], list[tuple[tuple[int, ...], str]]] = {}
    for key, fact in keys:
        words: list[str] = []
        numbers: list[int] = []
        for part in key.split("."):
            # int() makes 7 of "07" and of "\u0667": those are names, not layer numbers.
            # A key with more numbers than layers of layers can have is somebody's trap: the rest are words.
            is_number = part.isdecimal() and part.isascii() and len(part) < 10 and (part[0] != "0" or part == "0")
            if is_number and len(numbers) < _MAX_NUMBERS:
                words.append("\0")
                numbers.append(int(part))
            else:
                words.append(part)
        groups.setdefault((".".join(words), fact), []).append((tuple(numbers), key))
    folded: list[Folded[Fact]] = []
    for (template, fact), members in groups.items():
        folded.extend(Folded(_pattern(template, sets), fact, found) for sets, found in _products(members))
    return folded


def _products(
    members: list[tuple[tuple[int, ...], str]],
) -> list[tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]]:
    """Cut the keys of one template into groups that are full products of sets of numbers.

    The last number is merged first: keys that agree in all the others share a set there, then sets that agree merge
    over the number before, and so on to the left.
    """
    width = len(members[0][0])
    if width == 0:
        return [((), (key,)) for _, key in members]
    columns = [{numbers[at] for numbers, _ in members} for at in range(width)]
    size = 1
    for column in columns:
        size *= len(column)
    if size == len(members):
        return [(tuple(tuple(sorted(column)) for column in columns), tuple(key for _, key in members))]
    rows: list[tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]] = [
        (tuple((number,) for number in numbers), (key,)) for numbers, key in members
    ]
    for at in reversed(range(width)):
        merged: dict[tuple[tuple[int, ...], ...], list[tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]]] = {}
        for sets, found in rows:
            merged.setdefault((*sets[:at], *sets[at + 1 :]), []).append((sets, found))
        rows = []
        for same in merged.values():
            numbers = sorted({number for sets, _ in same for number in sets[at]})
            sets = same[0][0]
            together = tuple(key for _, found in same for key in found)
            rows.append(((*sets[:at], tuple(numbers), *sets[at + 1 :]), together))
    return rows


def _pattern(template: str, sets: tuple[tuple[int, ...], ...]) -> str:
    pieces = template.split("\0")
    text = pieces[0]
    for numbers, piece in zip(sets, pieces[1:], strict=True):
        text += ranges(numbers) + piece
    return text


def ranges(numbers: tuple[int, ...]) -> str:
    """`7`, `{0..31}`, `{0..3,5,8..11}`."""
    if len(numbers) == 1:
        return str(numbers[0])
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [
        str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}..{last}"
        for first, last in runs
    ]
    return "{" + ",".join(shown) + "}"
