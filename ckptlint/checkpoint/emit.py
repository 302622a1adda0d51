"""From inert values back to a pickle that both of torch's readers take.

Protocol 2, and only opcodes that torch's weights_only reader knows. A value that is met twice is written once and
remembered; equal strings count as met twice, which alone makes the pickle of a state dict a third shorter than
torch's own. The emitter keeps its own stack of things to write, so nesting is no matter.

    emit({"a": (1, 2)})  ->  b"\\x80\\x02}X\\x01\\x00\\x00\\x00aK\\x01K\\x02\\x86s."

The persistent ids come out in the order in which a reader will meet them.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack
from typing import NamedTuple

from ckptlint.checkpoint.inert import Blob, Call, Global, OrderedDictValue, PersistentId
from ckptlint.checkpoint.model import BadCheckpoint

_BATCH = 1000


class Emitted(NamedTuple):
    """A pickle, and the persistent ids in it in the order of their first appearance."""

    data: bytes
    persistent: tuple[PersistentId, ...]


def emit(value: object, blob: Callable[[Blob], bytes]) -> Emitted:
    """Pickle `value`; `blob` fetches the bytes of a long string.

    Raises BadCheckpoint for a value that cannot be written without running into itself.
    """
    return _Emitter(blob).run(value)


class _Emitter:
    def __init__(self, blob: Callable[[Blob], bytes]) -> None:
        self.blob = blob
        self.out = bytearray(b"\x80\x02")
        self.counts: dict[object, int] = {}
        self.memo: dict[object, int] = {}
        self.persistent: list[PersistentId] = []

    def run(self, root: object) -> Emitted:
        self._count(root)
        # Actions still to do, the next one last: a value to write, raw bytes, or the identity to remember.
        todo: list[tuple[str, object]] = [("value", root)]
        building: set[int] = set()
        while todo:
            action, item = todo.pop()
            if action == "raw":
                assert isinstance(item, bytes)
                self.out += item
            elif action == "put":
                building.discard(id(item))
                self._put(item)
            elif action == "persistent":
                assert isinstance(item, PersistentId)
                self.out += b"Q"
                building.discard(id(item))
                self.persistent.append(item)
                self._put(item)
            else:
                self._value(item, todo, building)
        self.out += b"."
        return Emitted(bytes(self.out), tuple(self.persistent))

    def _count(self, root: object) -> None:
        """How often each value is met; what is met once need not be remembered."""
        waiting = [root]
        while waiting:
            value = waiting.pop()
            if type(value) in _NEVER_REMEMBERED or value == ():
                continue
            key = _identity(value)
            seen = self.counts.get(key, 0)
            self.counts[key] = seen + 1
            if seen:
                continue
            waiting.extend(_parts(value))

    def _put(self, value: object) -> None:
        key = _identity(value)
        if self.counts.get(key, 0) < 2:
            return
        index = self.memo[key] = len(self.memo)
        self.out += b"q" + bytes([index]) if index < 256 else b"r" + pack("<I", index)

    def _value(self, value: object, todo: list[tuple[str, object]], building: set[int]) -> None:
        out = self.out
        if value is None:
            out += b"N"
        elif value is True or value is False:
            out += b"\x88" if value else b"\x89"
        elif isinstance(value, int):
            out += _integer(value)
        elif isinstance(value, float):
            out += b"G" + pack(">d", value)
        elif isinstance(value, tuple) and not value:
            out += b")"
        elif (index := self.memo.get(_identity(value))) is not None:
            out += b"h" + bytes([index]) if index < 256 else b"j" + pack("<I", index)
        elif isinstance(value, str):
            self._text(value.encode("utf-8", "surrogatepass"))
            self._put(value)
        elif isinstance(value, bytes):
            self._bytes(value, value)
        elif isinstance(value, Blob):
            raw = self.blob(value)
            if value.kind == "str":
                self._text(raw)
                self._put(value)
            else:
                self._bytes(raw, value)
        elif isinstance(value, Global):
            self._global(value, todo)
        elif (source := _module_source(value)) is not None:
            todo.append(("value", source))
        elif isinstance(value, dict):
            self._dict(value, todo)
        elif isinstance(value, list):
            out += b"]"
            self._put(value)
            todo.extend(reversed(_appends(value)))
        else:
            self._built(value, todo, building)

    def _built(self, value: object, todo: list[tuple[str, object]], building: set[int]) -> None:
        """Tuples, calls and persistent ids: their parts come first, so they must not contain themselves."""
        if id(value) in building:
            raise BadCheckpoint("it holds a tuple or a call that contains itself, which ckptlint cannot write again")
        building.add(id(value))
        if isinstance(value, tuple):
            if len(value) <= 3 and all(
                type(part) is int for part in value
            ):  # sizes and strides, by the hundred thousand
                for part in value:
                    assert isinstance(part, int)
                    self.out += _integer(part)
                self.out += (b"\x85", b"\x86", b"\x87")[len(value) - 1]
                building.discard(id(value))
                self._put(value)
                return
            if len(value) <= 3:
                todo.extend([("put", value), ("raw", (b"\x85", b"\x86", b"\x87")[len(value) - 1])])
            else:
                self.out += b"("
                todo.extend([("put", value), ("raw", b"t")])
            todo.extend(("value", part) for part in reversed(value))
        elif isinstance(value, PersistentId):
            todo.extend([("persistent", value), ("value", value.value)])
        elif isinstance(value, Call):
            todo.extend(reversed(self._call(value)))
        else:
            raise BadCheckpoint(f"it holds a {type(value).__name__}, which ckptlint cannot write again")

    def _text(self, raw: bytes) -> None:
        self.out += b"X" + pack("<I", len(raw)) + raw

    def _bytes(self, raw: bytes, value: object) -> None:
        """Protocol 2 has no bytes: CPython writes `_codecs.encode(text, "latin1")`, which torch allows."""
        self.out += b"c_codecs\nencode\n"
        self._text(raw.decode("latin-1").encode("utf-8"))
        self._text(b"latin1")
        self.out += b"\x86R"
        self._put(value)

    def _global(self, value: Global, todo: list[tuple[str, object]]) -> None:
        first, _, rest = value.name.partition(".")
        if not rest:
            self.out += b"c" + f"{value.module}\n{value.name}\n".encode()
            self._put(value)
            return
        # Before protocol 4 a global has no dots in its name; CPython writes getattr(Outer, "Inner").
        chain: list[tuple[str, object]] = [("raw", b"c" + f"{value.module}\n{first}\n".encode())]
        for attribute in rest.split("."):
            self.out += b"c__builtin__\ngetattr\n"
            chain += [("value", attribute), ("raw", b"\x86R")]
        todo.extend(reversed([*chain, ("put", value)]))

    def _dict(self, value: dict[object, object], todo: list[tuple[str, object]]) -> None:
        if isinstance(value, OrderedDictValue):
            self._ordered_dict_class()
            self.out += b")R"
        else:
            self.out += b"}"
        self._put(value)
        after = _assigns(list(value.items()))
        if isinstance(value, OrderedDictValue) and value.state is not None:
            after += [("value", value.state), ("raw", b"b")]
        todo.extend(reversed(after))

    def _ordered_dict_class(self) -> None:
        """Push `collections.OrderedDict`: every state dict and every tensor's hooks are one."""
        index = self.memo.get("OrderedDict")
        if index is None:
            index = self.memo["OrderedDict"] = len(self.memo)
            self.out += b"ccollections\nOrderedDict\n"
            self.out += b"q" + bytes([index]) if index < 256 else b"r" + pack("<I", index)
        else:
            self.out += b"h" + bytes([index]) if index < 256 else b"j" + pack("<I", index)

    def _call(self, value: Call) -> list[tuple[str, object]]:
        actions: list[tuple[str, object]]
        if value.how == "newobj_ex" and isinstance(value.args, tuple):
            actions = [("raw", b"ccopyreg\n__newobj_ex__\n"), ("value", value.func)]
            actions += [("value", part) for part in value.args]
            actions += [("raw", b"\x87R")]
        else:
            actions = [
                ("value", value.func),
                ("value", value.args),
                ("raw", b"\x81" if value.how == "newobj" else b"R"),
            ]
        actions.append(("put", value))
        if value.appended is not None:
            actions += _appends(value.appended)
        if value.assigned is not None:
            actions += _assigns(value.assigned)
        if value.state is not None:
            actions += [("value", value.state), ("raw", b"b")]
        return actions


# Written again each time: as short as a reference would be.
_NEVER_REMEMBERED = frozenset({type(None), bool, int, float})


def _integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if 0 <= value < 65536:
        return b"M" + pack("<H", value)
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + pack("<i", value)
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return (b"\x8a" + bytes([len(raw)]) if len(raw) < 256 else b"\x8b" + pack("<i", len(raw))) + raw


def _module_source(value: object) -> object:
    """The class in ("module", class, file, source): a legacy file keeps the source of a module's class beside it."""
    if isinstance(value, PersistentId) and isinstance(value.value, tuple) and value.value[:1] == ("module",):
        return value.value[1] if len(value.value) > 1 else None
    return None


def _identity(value: object) -> object:
    """What makes two mentions the same value: equal strings, the same object otherwise."""
    if type(value) is str:
        return ("text", value)
    return id(value)


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        parts = [part for item in value.items() for part in item]
        return [*parts, value.state] if isinstance(value, OrderedDictValue) else parts
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, PersistentId):
        return [value.value]
    if isinstance(value, Call):
        parts = [value.func, value.args, value.state, *(value.appended or [])]
        for pair in value.assigned or []:
            parts.extend(pair)
        return parts
    return []


def _appends(items: list[object]) -> list[tuple[str, object]]:
    actions: list[tuple[str, object]] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        if len(batch) == 1:
            actions += [("value", batch[0]), ("raw", b"a")]
        else:
            actions += [("raw", b"("), *(("value", item) for item in batch), ("raw", b"e")]
    return actions


def _assigns(items: list[tuple[object, object]]) -> list[tuple[str, object]]:
    actions: list[tuple[str, object]] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        flat: list[tuple[str, object]] = [("value", part) for item in batch for part in item]
        actions += [*flat, ("raw", b"s")] if len(batch) == 1 else [("raw", b"("), *flat, ("raw", b"u")]
    return actions
