"""From the inert values of a pickle to entries, tensors and keys.

What a file holds falls into entries: the outermost values that are a state dict, a pickled module, an optimizer, a
tensor, or anything else below the container that holds them.

    {"epoch": 3, "nets": {"G": <state dict>, "D": <state dict>}, "opt": {"state": ..., "param_groups": ...}}
    -> epoch (value), nets.G (state dict), nets.D (state dict), opt (optimizer)

A mapping is a state dict when torch gave it a `_metadata`, or when at least half of its values are tensors and it holds
more tensors than the mappings in it have members. A pickled module shows the keys of its state dict without its class:
`_parameters`, `_buffers` and `_modules` are plain attributes of the object.

The walk keeps its own stack, follows no cycle, and stops at a budget: a list that holds itself twice, thirty levels
deep, is a small file and a billion values.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from ckptlint.checkpoint.inert import Call, Global, OrderedDictValue, PersistentId
from ckptlint.checkpoint.model import BadCheckpoint, Entry, Problem, Tensor, Value
from ckptlint.checkpoint.rebuild import FindStorage, NotATensor, Place, is_tensor_call, rebuild
from ckptlint.checkpoint.summary import plain_name, summary_of

_MAX_VISITS = 3_000_000
_CONTAINER_VISITS = 5  # what a container or a tensor costs beside its members
_MAX_VALUES = 100_000
_MAX_DEPTH = 100
_MAX_ENTRY_DEPTH = 4
_MAX_PROBLEMS = 50


class Walked(NamedTuple):
    """What the walk found; see `model.Checkpoint` for the parts."""

    entries: tuple[Entry, ...]
    tensors: tuple[Tensor, ...]
    values: tuple[Value, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]


# The qualified name of a TorchScript class -> the names of its parameters and buffers, None when it is not known.
Registered = Callable[[str], frozenset[str] | None]


def walk(root: object, find: FindStorage, registered: Registered = lambda _: None) -> Walked:
    """List everything below `root`; `find` knows the storages of the file, `registered` the classes of TorchScript.

    Raises BadCheckpoint when it unfolds into more than a few million values.
    """
    walker = _Walker(find, registered)
    for path, value, kind in find_entries(root):
        walker.entry(path, value, kind)
    return Walked(
        tuple(walker.entries),
        tuple(walker.tensors),
        tuple(walker.values),
        tuple(dict.fromkeys(walker.classes)),
        tuple(walker.problems),
    )


def children(value: object) -> list[tuple[object, object]]:
    """The steps and values one level below a container or object; empty for anything else."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if type(value) is not Call or is_tensor_call(value):
        return []
    below: list[tuple[object, object]] = []
    if isinstance(value.args, tuple):
        below.extend(enumerate(value.args))
    if value.appended is not None:
        below.extend(enumerate(value.appended))
    if value.assigned is not None:
        below.extend(value.assigned)
    below.extend(attributes(value).items())
    return below


def attributes(value: object) -> dict[object, object]:
    """The attributes that the pickle sets on an object: `__dict__`, or (`__dict__`, slots)."""
    state = value.state if isinstance(value, (Call, OrderedDictValue)) else None
    if isinstance(state, tuple) and len(state) == 2:
        both: dict[object, object] = {}
        for part in state:
            if isinstance(part, dict):
                both.update(part)
        return both
    return state if isinstance(state, dict) else {}


def kind_of(value: object) -> str:
    """What an entry with this value is; see `model.Entry.kind`."""
    if is_tensor_call(value):
        return "tensor"
    if is_module(value):
        return "module"
    mapping = mapping_of(value)
    if mapping is None:
        return "value"
    if "param_groups" in mapping and "state" in mapping:
        return "optimizer"
    if isinstance(value, OrderedDictValue) and "_metadata" in attributes(value):
        return "state dict"
    if "last_epoch" in mapping or "_step_count" in mapping:
        return "scheduler"
    return "state dict" if _is_state_dict(mapping) else "value"


def is_module(value: object) -> bool:
    """Whether `value` is a pickled `nn.Module`, told by its attributes, or an object of TorchScript."""
    if type(value) is not Call:
        return False
    parts = value.state if isinstance(value.state, tuple) and len(value.state) == 2 else (value.state,)
    if any(isinstance(part, dict) and "_parameters" in part and "_modules" in part for part in parts):
        return True
    return type(value.func) is Global and value.func.module.partition(".")[0] == "__torch__"


def mapping_of(value: object) -> dict[object, object] | None:
    """The items of a dict, or of an object of a dict subclass (`defaultdict`, a configuration)."""
    if isinstance(value, dict):
        return value
    if type(value) is Call and value.assigned is not None:
        return dict(value.assigned)
    return None


def _is_state_dict(mapping: dict[object, object]) -> bool:
    tensors = 0
    below = 0
    for key, value in mapping.items():
        if type(key) is not str:
            return False
        if is_tensor_call(value):
            tensors += 1
        elif isinstance(value, dict):
            below += len(value)
    return tensors > 0 and 2 * tensors >= len(mapping) and tensors >= below


def find_entries(root: object) -> list[tuple[tuple[object, ...], object, str]]:
    """The entries below `root` in the order of the file, with their paths and kinds."""
    found: list[tuple[tuple[object, ...], object, str]] = []
    waiting: list[tuple[tuple[object, ...], object]] = [((), root)]
    seen = 0
    kinds = _Kinds()
    while waiting:
        path, value = waiting.pop()
        seen += 1
        kind = kinds.of(value)
        below = children(value) if kind == "value" and len(path) < _MAX_ENTRY_DEPTH and seen < 100_000 else []
        if (
            below
            and (not path or _holds_entries(below, kinds))
            and (path or mapping_of(value) is not None or attributes(value))
        ):
            waiting.extend(((*path, step), child) for step, child in reversed(below))
        else:
            found.append((path, value, kind))
    return found


class _Kinds:
    """`kind_of`, worked out once for each value: many places can hold one large dict."""

    def __init__(self) -> None:
        self.known: dict[int, str] = {}

    def of(self, value: object) -> str:
        kind = self.known.get(id(value))
        if kind is None:
            kind = self.known[id(value)] = kind_of(value)
        return kind


def _holds_entries(below: list[tuple[object, object]], kinds: _Kinds) -> bool:
    """Whether something that deserves an entry of its own stands one or two levels down."""
    worthy = ("state dict", "module", "optimizer")
    for _, child in below[:1000]:
        if kinds.of(child) in worthy:
            return True
        if isinstance(child, dict) and any(kinds.of(value) in worthy for value in islice(child.values(), 100)):
            return True
    return False


class _Walker:
    """The lists that grow while the entries are walked."""

    def __init__(self, find: FindStorage, registered: Registered) -> None:
        self.find = find
        self.registered = registered
        self.entries: list[Entry] = []
        self.tensors: list[Tensor] = []
        self.values: list[Value] = []
        self.classes: list[str] = []
        self.problems: list[Problem] = []
        self.bad_tensors = 0
        self.visits = 0

    def entry(self, path: tuple[object, ...], value: object, kind: str) -> None:
        """Walk one entry."""
        name = ".".join(plain_name(step) for step in path)
        first = len(self.tensors)
        if kind == "tensor":
            self._tensor(value, Place(path, name, ""))
        elif kind == "module":
            self._module(value, path, name)
        else:
            self._container(value, path, name, kind)
        mine = self.tensors[first:]
        metadata = attributes(value).get("_metadata") if isinstance(value, OrderedDictValue) else None
        self.entries.append(
            Entry(
                path,
                name,
                kind,
                summary_of(value),
                len(mine),
                bytes_of(mine),
                metadata if isinstance(metadata, dict) else None,
            )
        )

    def _tensor(self, call: object, place: Place, *, persistent: bool = True) -> None:
        assert isinstance(call, Call)
        self._count(_CONTAINER_VISITS)
        try:
            tensor = rebuild(call, self.find, place)
            self.tensors.append(tensor if persistent else tensor._replace(persistent=False))
        except NotATensor as error:
            self.bad_tensors += 1
            if self.bad_tensors <= _MAX_PROBLEMS:
                where = plain_name(place.key or place.entry or "the tensor")
                self.problems.append(Problem("error", "bad-tensor", f"{where}: {error}; torch.load fails on it"))

    def _count(self, visits: int) -> None:
        self.visits += visits
        if self.visits > _MAX_VISITS:
            raise BadCheckpoint(
                f"it unfolds into more than {_MAX_VISITS:,} values, which no checkpoint does: "
                "it was made to exhaust memory, do not load it"
            )

    def _container(self, value: object, path: tuple[object, ...], entry: str, kind: str) -> None:
        """Everything below a dict, list or object; `key` is the path below the entry, joined by dots."""
        active: set[int] = set()
        waiting: list[tuple[object, tuple[object, ...], str] | int] = [(value, path, "")]
        top = True
        while waiting:
            item = waiting.pop()
            if isinstance(item, int):
                active.discard(item)
                continue
            current, here, prefix = item
            if id(current) in active or len(here) - len(path) > _MAX_DEPTH:
                continue
            active.add(id(current))
            waiting.append(id(current))
            below = children(current)
            self._count(_CONTAINER_VISITS + len(below))
            deeper: list[tuple[object, tuple[object, ...], str] | int] = []
            for step, child in below:
                if child is None or type(child) in _SCALARS:
                    if top and kind == "state dict" and len(self.values) < _MAX_VALUES:
                        self.values.append(Value((*here, step), entry, plain_name(step), summary_of(child)))
                    continue
                key = step if type(step) is str else plain_name(step)
                if prefix:
                    key = f"{prefix}.{key}"
                if is_tensor_call(child):
                    self._tensor(child, Place((*here, step), entry, key))
                    continue
                if top and kind == "state dict" and len(self.values) < _MAX_VALUES:
                    self.values.append(Value((*here, step), entry, key, summary_of(child)))
                if is_module(child):
                    self._module(child, (*here, step), entry, key)
                elif not isinstance(child, (Global, PersistentId)):
                    deeper.append((child, (*here, step), key))
            waiting.extend(reversed(deeper))
            top = False

    def _module(self, value: object, path: tuple[object, ...], entry: str, prefix: str = "") -> None:
        """A pickled module: its parameters, buffers and children under the keys that `state_dict()` would give."""
        active: set[int] = set()
        waiting: list[tuple[object, tuple[object, ...], str] | int] = [(value, path, prefix)]
        while waiting:
            item = waiting.pop()
            if isinstance(item, int):
                active.discard(item)
                continue
            module, here, name = item
            if id(module) in active or len(here) - len(path) > 2 * _MAX_DEPTH or type(module) is not Call:
                continue
            active.add(id(module))
            waiting.append(id(module))
            state = attributes(module)
            self._count(1 + len(state))
            self.classes.append(class_of(module))
            dotted = f"{name}." if name else ""
            modules = state.get("_modules")
            if isinstance(modules, dict):
                self._members(state, here, entry, dotted)
                inside = [((*here, "_modules", step), step, child) for step, child in modules.items()]
            else:  # TorchScript: parameters, buffers and children are attributes alike
                inside = [((*here, step), step, child) for step, child in state.items()]
                own = self.registered(class_of(module))
                for where, step, child in inside:
                    if is_tensor_call(child):
                        left_out = own is not None and step not in own
                        self._tensor(child, Place(where, entry, dotted + plain_name(step)), persistent=not left_out)
            below = [(child, where, dotted + plain_name(step)) for where, step, child in inside if is_module(child)]
            self._count(len(inside))
            waiting.extend(reversed(below))

    def _members(self, state: dict[object, object], here: tuple[object, ...], entry: str, dotted: str) -> None:
        left_out = _set_members(state.get("_non_persistent_buffers_set"))
        self._count(len(left_out))
        for table in ("_parameters", "_buffers"):
            members = state.get(table)
            if not isinstance(members, dict):
                continue
            self._count(len(members))
            for step, child in members.items():
                if not is_tensor_call(child):
                    continue
                persistent = table == "_parameters" or step not in left_out
                self._tensor(
                    child, Place((*here, table, step), entry, dotted + plain_name(step)), persistent=persistent
                )


# Leaves that the walk passes over; bool, int, float, str and bytes.
_SCALARS = frozenset({bool, int, float, str, bytes})


def class_of(value: Call) -> str:
    """The class of a pickled object: its qualified name."""
    func = value.func
    if isinstance(func, PersistentId) and isinstance(func.value, tuple) and len(func.value) > 1:
        func = func.value[1]  # ("module", class, file, source) of legacy files
    return func.qualified if type(func) is Global else "an unknown class"


def bytes_of(tensors: list[Tensor]) -> int:
    """The bytes that the tensors take in the file, each storage once."""
    total = 0
    seen: set[str] = set()
    waiting = list(tensors)
    while waiting:
        tensor = waiting.pop()
        waiting.extend(tensor.parts)
        storage = tensor.storage
        if storage is not None and storage.key not in seen:
            seen.add(storage.key)
            total += storage.nbytes
    return total


def _set_members(value: object) -> frozenset[object]:
    """The members of a pickled set of names."""
    if type(value) is Call and isinstance(value.args, tuple) and value.args and isinstance(value.args[0], list):
        return frozenset(member for member in value.args[0] if type(member) is str)
    return frozenset()
