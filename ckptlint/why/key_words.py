"""Keys in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

#: The names under which wrappers hold a model.
TOKENS = ("module", "_orig_mod")


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
    return ", ".join(key or '""' for key in keys[:most]) + (", ..." if len(keys) > most else "")


def parts_of(keys: Sequence[str]) -> list[tuple[str, int]]:
    """The first parts of keys with how many keys are below, the most first.

    Where a wrapper stands in front of all of them, it is what comes behind: `module.head` (2).
    """
    front = ""
    while keys and (mark := next((one for one in TOKENS if all(key.startswith(f"{front}{one}.") for key in keys)), "")):
        front += f"{mark}."
    return Counter(front + key[len(front) :].partition(".")[0] for key in keys).most_common()
