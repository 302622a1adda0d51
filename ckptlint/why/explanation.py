"""What `ckptlint why` has to say about an error: plain values."""

from __future__ import annotations

import msgspec

from ckptlint.why.data import Remedy
from ckptlint.why.frames import Frame
from ckptlint.why.key_lists import KeyLists

#: Stands in commands and code where the text does not say which file it was.
SOME_FILE = "CHECKPOINT"


class RenamedKeys(msgspec.Struct, frozen=True):
    """`old` at the start of `count` keys of the file is `new` in the model; with `inside` it stands further in."""

    old: str
    new: str
    count: int
    inside: bool = False


class Said(msgspec.Struct, frozen=True):
    """A part of an explanation, as the computing modules make it: sentences, remedies, rules, the nearest first."""

    what: tuple[str, ...] = ()
    do: tuple[Remedy, ...] = ()
    rules: tuple[str, ...] = ()
    title: str = ""
    renamed: tuple[RenamedKeys, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """An error that was understood.

    `error` is what torch said, shortened; `since` and `until` the versions that say so ("" for not known, or still);
    `also` are the titles of other known errors in the same text; `file` the checkpoint, None where it is not named.
    """

    topic: str
    title: str
    error: str
    what: tuple[str, ...]
    do: tuple[Remedy, ...]
    rules: tuple[str, ...]
    source: str
    since: str = ""
    until: str = ""
    keys: KeyLists = KeyLists()
    renamed: tuple[RenamedKeys, ...] = ()
    values: dict[str, str] = {}
    frame: Frame | None = None
    file: str | None = None
    also: tuple[str, ...] = ()
