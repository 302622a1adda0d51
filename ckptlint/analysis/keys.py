"""Keys of state dicts: what string operations do to their prefixes.

A state dict has hundreds of keys; the machine handles one `Key` that stands for all of them: a known prefix and an
unknown rest. For a file the prefix is one of several hypotheses, each an alternative of a choice, so that

    {k[7:] if k.startswith("module.") else k: v for k, v in sd.items()}

gives prefix "" where the file has "module." and "" where it has none: a reader that copes with both. A blind `k[7:]`
on keys without prefix cuts into the names; such keys begin with `CUT` and fit no module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from ckptlint.analysis import key_tests
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import TOKENS, Const, Content, Key, KeyPieces, Keys, Opaque, Ref, TupleValue, Value

#: In front of what is left of names that lost their beginning; twice, around the number of letters, where it is known,
#: or around a dot, where it was all up to the first one.
CUT = "\x00"
_FIRST_PIECE = f"{CUT}.{CUT}"
_CUT_OFF = re.compile(f"{CUT}(\\d+){CUT}")


def of_content(content: Content) -> Key:
    """The key that stands for all keys of a state dict."""
    return Key(content.prefix, content, content.emptied, content.exact)


def changed(key: Key, change: Callable[[str], str], exact: Callable[[str], str] | None = None) -> Key:
    """The key with what `change` makes of its prefix; `exact` is that change done once and in front, if it is not."""
    prefix = change(key.prefix)
    other = (exact or change)(key.prefix if key.exact is None else key.exact)
    return Key(prefix, key.content, key.emptied, None if other == prefix else other)


def prefixed(key: Key, before: str) -> Key:
    """`before + key`."""
    return changed(key, lambda prefix: before + prefix)


def _is_token(text: str) -> bool:
    """Whether the text speaks of a wrapper's token: `module`, `module.`, `_orig_mod.`, `module.module.`.

    The rest of a key is taken not to begin with one.
    """
    return any(token in text for token in TOKENS)


def starts_with(key: Key, text: str) -> Value:
    """`key.startswith(text)`."""
    if key.prefix.startswith(text):
        return Const(True)
    if text.startswith(key.prefix) and not _is_token(text[len(key.prefix) :][:10]):
        return Opaque(key_tests.starts_with(text[len(key.prefix) :]))
    return Const(False)


def mentions(key: Key, text: str) -> Value:
    """`text in key`."""
    if text in key.prefix:
        return Const(True)
    return Const(False) if _is_token(text) else Opaque(key_tests.has(text))


def member(key: Key, owner: Content) -> bool:
    """Whether `key in owner` may be: both are keys of some module, which fit when their prefixes do."""
    if owner.shape is None or not owner.shape.known or key.prefix.startswith(CUT):
        return True
    if key.content.shape is None and key.content.file is None:
        return True
    if key.content.piece and not key.content.piece.endswith("."):
        return key.prefix in owner.extra
    return key.prefix == owner.prefix + key.content.piece or not (_is_token(key.prefix) or _is_token(owner.prefix))


def equals(machine: Machine, key: Key, text: str) -> bool | None:
    """Whether `key == text`, None when that holds for some keys perhaps."""
    if key.content.piece and not key.content.piece.endswith("."):
        return key.prefix == text
    return False if text in machine.own_names or not text.startswith(key.prefix) else None


def cut(key: Key, count: int) -> Key:
    """`key[count:]`."""

    def rest(prefix: str) -> str:
        if prefix.startswith(CUT):
            return CUT
        return prefix[count:] if count <= len(prefix) else f"{CUT}{count - len(prefix)}{CUT}"

    return changed(key, rest)


def left_of(names: Iterable[str], prefix: str) -> tuple[str, ...]:
    """What is left of names whose beginning is cut off; nothing where it is not known how much that is."""
    if prefix == _FIRST_PIECE:
        return tuple(dict.fromkeys(rest for name in names if (rest := name.partition(".")[2])))
    off = _CUT_OFF.fullmatch(prefix)
    return tuple(rest for name in names if (rest := name[int(off.group(1)) :])) if off is not None else ()


def head(key: Key, count: int) -> Const:
    """`key[:count]`: what is unknown of it is filled up with a character that no name has."""
    return Const((key.prefix + CUT * count)[:count])


def replace(key: Key, old: str, new: str, count: int | None) -> Key:
    """`key.replace(old, new)`."""
    if not old:
        return key
    emptied = key.emptied | {old} if not new and (count is None or old not in key.prefix) else key.emptied

    def in_front(prefix: str) -> str:
        return new + prefix.removeprefix(old) if prefix.startswith(old) else prefix

    found = changed(key, lambda prefix: prefix.replace(old, new, -1 if count is None else count), in_front)
    return msgspec.structs.replace(found, emptied=emptied)


def strip_characters(key: Key, characters: str) -> Key:
    """`key.lstrip(characters)`: the prefix goes; what it eats of the names is not known."""
    return changed(key, lambda prefix: prefix.lstrip(characters), lambda prefix: prefix.removeprefix(characters))


def remove_prefix(key: Key, prefix: str) -> Key:
    """`key.removeprefix(prefix)`."""
    return changed(key, lambda before: before.removeprefix(prefix))


def after(key: Key, separator: str, first: bool) -> Key:
    """What follows `separator`; the whole key where it is not in it."""

    def rest(prefix: str) -> str:
        found = prefix.find(separator) if first else prefix.rfind(separator)
        return prefix if found < 0 else prefix[found + len(separator) :]

    return changed(key, rest)


def drop_pieces(pieces: KeyPieces, count: int) -> KeyPieces:
    """`key.split(".")[count:]`."""
    content = pieces.content
    key = of_content(content)
    for _ in range(count):
        key = after(key, ".", first=True) if "." in key.prefix else changed(key, lambda prefix: _less(content, prefix))
    return KeyPieces(written(key), pieces.separator, pieces.limit)


def _less(content: Content, prefix: str) -> str:
    """What is known of a key, of which `prefix` is known, when it loses its first piece, which is in the name."""
    if content.piece and not content.piece.endswith("."):
        return ""  # a wrapper's own key: it is known to the end
    return _FIRST_PIECE if not prefix else CUT


def content_of(machine: Machine, value: Value) -> Content | None:
    """The state dict behind a dict or a view of its keys, when there is only one."""
    if isinstance(value, Keys):
        return value.content
    if isinstance(value, Content):
        return value
    if isinstance(value, Ref):
        bulk = machine.get(value, "*")
        return bulk if isinstance(bulk, Content) else None
    return None


def written(key: Key) -> Content:
    """The content of a dict to which `d[key] = tensor` was done for every key."""
    content = key.content
    emptied = content.emptied | key.emptied
    return msgspec.structs.replace(content, prefix=key.prefix, emptied=emptied, exact=key.exact)


def method(machine: Machine, key: Key, name: str, args: tuple[Value, ...]) -> Value:
    """A string method on a key."""
    texts = [arg.value if isinstance(arg, Const) else None for arg in args]
    first = texts[0] if texts else None
    if name == "startswith":
        return _starts_with_any(key, args)
    if name == "replace" and len(texts) >= 2 and isinstance(first, str) and isinstance(texts[1], str):
        count = texts[2] if len(texts) > 2 else None
        return replace(key, first, texts[1], count if isinstance(count, int) else None)
    if name == "removeprefix" and isinstance(first, str):
        return remove_prefix(key, first)
    if name in ("lstrip", "strip") and isinstance(first, str):
        return strip_characters(key, first)
    if name == "split" and isinstance(first, str):
        limit = texts[1] if len(texts) > 1 and isinstance(texts[1], int) else None
        return _split(key, first, limit)
    if name == "partition" and isinstance(first, str):
        return KeyPieces(written(key), first, 1)
    if name == "find" and isinstance(first, str) and first in key.prefix:
        return Const(key.prefix.find(first))
    if name in ("lower", "strip", "rstrip", "format", "encode", "endswith", "find", "index", "count"):
        return Opaque(f"key.{name}")
    return Opaque(f"key.{name}")


def _starts_with_any(key: Key, args: tuple[Value, ...]) -> Value:
    if not args:
        return Opaque("key starts with")
    choices = args[0].items if isinstance(args[0], TupleValue) else (args[0],)
    unknown: Value | None = None
    for choice in choices:
        if not isinstance(choice, Const) or not isinstance(choice.value, str):
            unknown = Opaque("key starts with an unknown text")
            continue
        answer = starts_with(key, choice.value)
        if answer == Const(True):
            return answer
        if not isinstance(answer, Const):
            unknown = answer
    return unknown if unknown is not None else Const(False)


def _split(key: Key, separator: str, limit: int | None) -> Value:
    """`key.split(".")`, `key.split(".", 1)`, `key.split("module.")`."""
    return KeyPieces(written(key), separator, limit)


def joined(separator: str, pieces: KeyPieces) -> Value:
    """`".".join(key.split(".")[1:])`."""
    content = pieces.content
    if separator == pieces.separator:
        return of_content(content)
    return replace(of_content(content), pieces.separator, separator, None)


def piece(pieces: KeyPieces, index: int) -> Value:
    """One piece of a split key.

    The last piece of `split(".", 1)`, `partition(...)` or `split("module.")` is what follows the separator; a key
    that has no separator in its prefix loses its first name to `split(".", 1)` and is left alone by the other two.
    """
    content, separator = pieces.content, pieces.separator
    key = of_content(content)
    parts = content.prefix.split(separator, -1 if pieces.limit is None else pieces.limit)[:-1]
    if 0 <= index < len(parts):
        return Const(parts[index])
    rest_only = pieces.limit is not None or separator != "."
    if index == 0:
        return Const(CUT) if separator == "." else key
    if not rest_only:
        return Opaque("a piece of a key")
    if parts:
        return after(key, separator, first=pieces.limit == 1)
    return changed(key, lambda prefix: _less(content, prefix)) if separator == "." else key
