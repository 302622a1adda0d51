"""What a repair does to keys: strip, add, drop, rename; and to the module paths in `_metadata` that go with them.

    edits = KeyEdits(strip=("module.",), drop=("criterion.*",), rename=(("head.fc", "classifier"),))
    plan = edits.plan(["module.conv.weight", "module.criterion.weight", "module.head.fc.bias"])
    plan.names  ->  {"module.conv.weight": "conv.weight", "module.criterion.weight": None,
                     "module.head.fc.bias": "classifier.bias"}

Prefixes are stripped in the order given, each at the start of the key only. A drop pattern is a shell pattern for the
whole key, before or after stripping. `old=new` renames whole parts at the start of the key (`head.fc` is not
`head.fc2`); with stars it is a pattern for the whole key, and the stars of `new` take what those of `old` matched:
`*.gamma=*.weight`. A part `#` is a number, of a layer for example: `layers.#.block=layers.#`. Drops come before
renames.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import NamedTuple

from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.summary import plain_name

# A star, or a part of the key that is `#`.
_WILD = re.compile(r"\*|(?<![^.])#(?![^.])")


class KeyPlan(NamedTuple):
    """`names`: old key -> new key, or None for a key that is dropped; every key is in it."""

    names: dict[str, str | None]

    @property
    def changed(self) -> dict[str, str | None]:
        """Only the keys that do not stay as they are."""
        return {old: new for old, new in self.names.items() if old != new}


class KeyEdits(NamedTuple):
    """The edits that were asked for; see the module."""

    strip: tuple[str, ...] = ()
    add: str = ""
    drop: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()

    def plan(self, keys: Iterable[str]) -> KeyPlan:
        """What becomes of each key.

        Raises BadCheckpoint when two keys would become one.
        """
        drops = [re.compile(fnmatch.translate(pattern)) for pattern in self.drop]
        found = [renaming(old, new) for old, new in self.rename]
        renames = [(re.compile(pattern, re.DOTALL), template) for pattern, template in found]
        names: dict[str, str | None] = {}
        taken: dict[str, str] = {}
        for key in keys:
            new = key
            for prefix in self.strip:
                new = new.removeprefix(prefix)
            if any(drop.match(key) or drop.match(new) for drop in drops):
                names[key] = None
                continue
            for pattern, template in renames:
                new = pattern.sub(template, new, count=1)
            new = self.add + new
            if new in taken:
                raise BadCheckpoint(
                    f"both {plain_name(taken[new])!r} and {plain_name(key)!r} would become {plain_name(new)!r}: "
                    "drop one of them, or rename it to something else"
                )
            if not new:
                raise BadCheckpoint(f"nothing would be left of the key {plain_name(key)!r}")
            taken[new] = key
            names[key] = new
        return KeyPlan(names)


def parse_rename(text: str) -> tuple[str, str]:
    """`old=new`.

    Raises BadCheckpoint when there is no `=`, or the stars of the two sides do not pair.
    """
    old, separator, new = text.partition("=")
    if not separator or not old:
        raise BadCheckpoint(f"--rename {text!r} is not of the form old=new")
    for wild, words in (("*", "stars"), ("#", "numbers (#)")):
        if _WILD.findall(new).count(wild) > _WILD.findall(old).count(wild):
            raise BadCheckpoint(f"--rename {text!r}: the right side has more {words} than the left")
    return old, new


class Renaming(NamedTuple):
    """A regular expression, and the template for what it matches at the start of a key."""

    pattern: str
    template: str


def renaming(old: str, new: str) -> Renaming:
    """`old=new` as a regular expression: its stars and numbers are groups, which the template takes in their order."""
    pieces = _WILD.split(old)
    wilds = _WILD.findall(old)
    pattern = re.escape(pieces[0])
    for wild, piece in zip(wilds, pieces[1:], strict=True):
        pattern += ("(.*)" if wild == "*" else r"(\d+)") + re.escape(piece)
    groups = {kind: iter([at for at, wild in enumerate(wilds, 1) if wild == kind]) for kind in "*#"}
    texts = _WILD.split(new)
    template = texts[0].replace("\\", r"\\")
    for wild, text in zip(_WILD.findall(new), texts[1:], strict=True):
        template += rf"\g<{next(groups[wild])}>" + text.replace("\\", r"\\")
    if "*" in wilds:
        return Renaming(f"^{pattern}$", template)
    return Renaming(f"^{pattern}" if old.endswith(".") else rf"^{pattern}(?=\.|$)", template)


def rename_metadata(metadata: dict[object, object], plan: KeyPlan) -> dict[object, object]:
    """The `_metadata` of a state dict for its new keys.

    A module's new path follows from its keys: `module.bn.weight` -> `bn.weight` moves `module.bn` to `bn` and `module`
    to the root. A module without keys moves with the nearest one above it; one whose keys were all dropped goes.
    """
    moved: dict[str, str] = {}
    kept: set[str] = set()
    gone: set[str] = set()
    for old, new in plan.names.items():
        (gone if new is None else kept).update(_ancestors(old))
        if new is None:
            continue
        before, after = old.split(".")[:-1], new.split(".")[:-1]
        moved.setdefault(".".join(before), ".".join(after))
        while before and after and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
            moved.setdefault(".".join(before), ".".join(after))
    renamed = {moved[path] for path in metadata if isinstance(path, str) and moved.get(path, path) != path}
    result: dict[object, object] = {}
    for path, value in metadata.items():
        if not isinstance(path, str):
            result[path] = value
        elif path in moved and moved[path] != path:
            result[moved[path]] = value
        elif path and path in gone and path not in kept:
            continue
        elif (new := _with_the_nearest(path, moved)) not in renamed:
            # A wrapper's own entry gives way to that of the module that takes its place.
            result[new] = value
    return result


def _ancestors(key: str) -> list[str]:
    """The module paths that a key lies in: `a.b.weight` -> `a.b`, `a`, and the root."""
    parts = key.split(".")[:-1]
    return [".".join(parts[:length]) for length in range(len(parts) + 1)]


def _with_the_nearest(path: str, moved: dict[str, str]) -> str:
    parts = path.split(".") if path else []
    for length in range(len(parts), -1, -1):
        above = moved.get(".".join(parts[:length]))
        if above is not None:
            return ".".join([*([above] if above else []), *parts[length:]])
    return path
