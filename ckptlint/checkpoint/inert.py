"""What a pickle turns into here: dicts, lists, tuples, numbers and strings as themselves, all else as inert records.

The pickle of `torch.nn.Parameter(...)` calls `torch._utils._rebuild_parameter`. Nothing is imported and nothing is
called: the name becomes a `Global`, the call a `Call` that remembers its function and arguments. A storage, which the
pickle only refers to, is a `PersistentId`.

    OrderedDict([("w", tensor)])   ->   OrderedDictValue({"w": Call(Global("torch._utils", "_rebuild_tensor_v2"), ...)})

Python's own `collections.OrderedDict` is kept as a dict because every state dict is one; the attributes that a BUILD
gives it (`_metadata`) stand in `.state`.
"""

from __future__ import annotations


class Global:
    """A name that the pickle imports: `module` as written in the file, `name` perhaps dotted."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        """A record of the name; nothing is imported."""
        self.module = module
        self.name = name

    @property
    def qualified(self) -> str:
        """`module.name`, with Python 2's names turned into today's, as torch does before it judges them."""
        if self.module.partition(".")[0] in ("torch", "collections"):
            return f"{self.module}.{self.name}"
        from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING  # noqa: PLC0415 (seldom needed)

        module, name = NAME_MAPPING.get((self.module, self.name), (self.module, self.name))
        return f"{IMPORT_MAPPING.get(module, module)}.{name}"


class Call:
    """A call or an object: `func(*args)`, then what the pickle appended, assigned and set on it.

    `how` is "reduce" (a call), "newobj" (`cls.__new__(cls, *args)`) or "newobj_ex" (`args` is `(args, kwargs)`).
    `appended` are the items of a list subclass, `assigned` the key-value pairs of a dict subclass, `state` the
    argument of BUILD (usually the object's `__dict__`); each is None where the pickle does not do it.
    """

    __slots__ = ("appended", "args", "assigned", "func", "how", "state")

    def __init__(self, func: object, args: object, how: str) -> None:
        """A record of the call; nothing is called."""
        self.func = func
        self.args = args
        self.how = how
        self.appended: list[object] | None = None
        self.assigned: list[tuple[object, object]] | None = None
        self.state: object = None


class OrderedDictValue(dict[object, object]):
    """A `collections.OrderedDict`; `state` is its `__dict__`, None where it has none."""

    state: object = None


class PersistentId:
    """A reference out of the pickle, torch's way to name a storage: `("storage", class, key, location, numel)`."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        """A record of the reference."""
        self.value = value


class Blob:
    """A long string or bytes value that was left where it is: `length` bytes from `start` of the pickle.

    `kind` is "str", "bytes" or "bytearray".
    """

    __slots__ = ("kind", "length", "start")

    def __init__(self, kind: str, start: int, length: int) -> None:
        """A record of where the bytes are."""
        self.kind = kind
        self.start = start
        self.length = length


def is_global(value: object, qualified: str) -> bool:
    """Whether `value` is the global `qualified`."""
    return type(value) is Global and value.qualified == qualified
