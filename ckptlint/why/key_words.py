"""Keys in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def count_of(keys: Sequence[str]) -> str:
    """ "1 key", "62 keys"."""
    return f"{len(keys):,} key" + ("" if len(keys) == 1 else "s")


def of_all(number: int, total: int, noun: str) -> str:
    """ "All 62 unexpected keys", "60 of 62 unexpected keys", "both unexpected keys"."""
    if total == 1:
        return f"The one {noun}"
    if number == total == 2:
        return f"Both {noun}s"
    return f"All {total:,} {noun}s" if number == total else f"{number:,} of {total:,} {noun}s"


def examples(keys: Sequence[str], most: int = 2) -> str:
    """`conv1.weight, bn1.weight, ...`."""
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")


def parts_of(keys: Sequence[str]) -> list[tuple[str, int]]:
    """The first parts of keys with how many keys are below, the most first."""
    return Counter(key.partition(".")[0] for key in keys).most_common()
