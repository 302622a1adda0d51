"""What an expression can be, as far as checkpoints care.

Values are immutable. What can change (attributes of objects, entries of dicts, local names) lives in the store and is
reached through a `Ref`. A `Choice` is a value that depends on conditions, see `guards`. Whatever is not understood is
an `Opaque`: it has a name, so that two tests of the same thing agree, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from ckptlint.analysis.guards import ALWAYS, PREFIX_OF_FILE, ConstantValue, Guard, both

#: The names under which wrappers hold what they wrap.
TOKENS = ("module", "_orig_mod")

#: A value with more alternatives than this is no longer followed. What differs in the keys of a file alone counts as
#: one: `for name in ("state_dict", "model"): if name in checkpoint: ...` gives three times six of these.
MOST_ALTERNATIVES = 16
_MOST_WITH_KEYS = 48
_OF_KEYS = (PREFIX_OF_FILE, "key ")


class Site(msgspec.Struct, frozen=True, order=True):
    """A node of the source: file, unit, id."""

    file: str
    unit: int
    node: int


class Const(msgspec.Struct, frozen=True):
    """A known number, string, bool or None."""

    value: ConstantValue


class Opaque(msgspec.Struct, frozen=True):
    """An unknown value.

    `symbol` is its name: two opaque values of one name are the same value. `fresh` says that it was just made by a
    callable from outside the project, so that nobody in the project has wrapped it yet. `kind` is the class that it is
    known to be of: "argparse.Namespace", "numpy".
    """

    symbol: str
    fresh: bool = False
    kind: str = ""


#: The kind of what is surely a module.
MODULE = "torch.nn.Module"


#: The kind of what is surely a tensor.
TENSOR = "torch.Tensor"


class External(msgspec.Struct, frozen=True):
    """Something importable from outside the project, by its dotted name: `torch.nn.DataParallel`."""

    name: str


class PythonModule(msgspec.Struct, frozen=True):
    """A file of the project, imported."""

    file: str


class Imported(msgspec.Struct, frozen=True):
    """`name` of a file of the project, imported and not looked at yet: see `imports`. Nobody outside meets one."""

    file: str
    name: str


class Package(msgspec.Struct, frozen=True):
    """A folder of the project without `__init__.py`, imported."""

    folder: str


class ClassValue(msgspec.Struct, frozen=True):
    """A class of the project; `key` indexes the machine's table of classes."""

    key: int
    name: str


class Function(msgspec.Struct, frozen=True):
    """A function or lambda of the project with the scope that it closes over; `key` indexes the machine's table."""

    key: int
    name: str


class Bound(msgspec.Struct, frozen=True):
    """A function with its first argument given."""

    function: Value
    receiver: Value


class Method(msgspec.Struct, frozen=True):
    """A method that the project did not write: of a torch module, a dict, a string, a list."""

    receiver: Value
    name: str


class Partial(msgspec.Struct, frozen=True):
    """`functools.partial(function, *positional, **keywords)`."""

    function: Value
    positional: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]


class SuperValue(msgspec.Struct, frozen=True):
    """`super()` in a method of class `key`, for the object `receiver`."""

    key: int
    receiver: Value


class Ref(msgspec.Struct, frozen=True):
    """An object; `id` indexes the machine's table of objects."""

    id: int


class TupleValue(msgspec.Struct, frozen=True):
    """A tuple of known length."""

    items: tuple[Value, ...]


class Text(msgspec.Struct, frozen=True):
    """A string of which some pieces are known: `f"{run}/best.pth"`. A hole is the symbol in braces."""

    parts: tuple[str | Opaque, ...]


class Key(msgspec.Struct, frozen=True):
    """A key of a state dict: the known `prefix`, then a rest that differs from key to key.

    `content` is what the key was taken from. `emptied` are texts that were removed wherever they stood. `exact` is the
    prefix as it would be if that, and stripped letters, had been taken off once and in front; None when that is no
    other one.
    """

    prefix: str
    content: Content
    emptied: frozenset[str] = frozenset()
    exact: str | None = None


class KeyPieces(msgspec.Struct, frozen=True):
    """`key.split(separator, limit)`, perhaps without its first pieces; `content.prefix` is what is known of them."""

    content: Content
    separator: str
    limit: int | None


class Keys(msgspec.Struct, frozen=True):
    """An iterable over keys, values or items of a state dict; `kind` is "keys", "values" or "items"."""

    kind: str
    owner: Ref
    content: Content


class TensorValue(msgspec.Struct, frozen=True):
    """A tensor out of a state dict.

    `holder` is the dict that it came out of, 0 when it is a copy; `moved` tells that it went to the CPU. `key` is what
    it was asked for with, where that was a key of another state dict: `own[name]`.
    """

    content: Content
    holder: int = 0
    moved: bool = False
    key: Key | None = None


class LoadResult(msgspec.Struct, frozen=True):
    """What `load_state_dict` gives back: the missing and the unexpected keys. `apply` is the number of its event."""

    apply: int


class Choice(msgspec.Struct, frozen=True):
    """Alternatives, each under its guard. Never nested, never fewer than two."""

    alternatives: tuple[tuple[Guard, Value], ...]


class Content(msgspec.Struct, frozen=True):
    """The keys of a state dict that came from one place.

    All keys are `prefix` + the keys of `origin`. The origin is a module's own keys at the time of `.state_dict()`
    (`shape`), or an entry of a file, whose own prefix is one of several hypotheses: `assumed`. `merged` tells that the
    keys took the place of those of a model's own state dict. `piece` is the beginning of the names, when only those of
    one part of the model are meant; it counts to the prefix then, see `own_names`. `exact` is that of a `Key`.
    `extra` are keys beside those of the module: what a wrapper keeps of its own; of a file, those that may be there.
    """

    origin: Site
    prefix: str
    shape: Shape | None = None
    file: int | None = None
    entry: tuple[str, ...] = ()
    assumed: str = ""
    emptied: frozenset[str] = frozenset()
    filtered: bool = False
    partial: bool = False
    tests: tuple[KeyTest, ...] = ()
    merged: bool = False
    piece: str = ""
    exact: str | None = None
    extra: tuple[str, ...] = ()


class KeyTest(msgspec.Struct, frozen=True):
    """A test that single keys had to pass: `kind` is "starts" or "has", of the name behind the common prefix."""

    kind: str
    text: str
    wanted: bool


class Shape(msgspec.Struct, frozen=True):
    """The tree of names that a module gives its keys.

    `wrappers` are the wrappers around this node, outermost first, as (token, site): DataParallel gives ("module", ...).
    `children` are sub-modules and tensors by name; a tensor is a Shape with `tensor` set: "parameter", "buffer" (the
    code registers it by that name), "tensor" (a layer or loss of torch brings it), "maybe". `closed` says that there
    are no other children. `identity` names the class or factory, so that two nodes can be told to be of one kind.
    `site` is where the name was registered on its parent, `source` where the module was made. `asks` is a wrapper
    that the keys of the state dict leave out and a load through the parent asks for.
    """

    wrappers: tuple[WrapperMark, ...] = ()
    children: tuple[tuple[str, Shape], ...] = ()
    closed: bool = False
    identity: str = ""
    tensor: str = ""
    loss: bool = False
    known: bool = True
    site: Site | None = None
    source: Site | None = None
    asks: WrapperMark | None = None

    def as_target(self) -> Shape:
        """The names that a load asks for, below the module that is loaded into."""
        children = tuple((name, child._asked()) for name, child in self.children)
        changed = any(new is not old for (_, new), (_, old) in zip(children, self.children, strict=True))
        return msgspec.structs.replace(self, children=children) if changed else self

    def _asked(self) -> Shape:
        below = self.as_target()
        return below if self.asks is None else msgspec.structs.replace(below, wrappers=(self.asks, *self.wrappers))

    @property
    def prefix(self) -> str:
        """The prefix that the wrappers around the root give to every key."""
        return "".join(mark.token + "." for mark in self.wrappers)

    @property
    def extra(self) -> tuple[str, ...]:
        """The keys of the wrappers' own tensors: `n_averaged` of AveragedModel, `module.n_averaged` inside another."""
        names: list[str] = []
        before = ""
        for mark in self.wrappers:
            names += [before + name for name in mark.extra]
            before += mark.token + "." if mark.token else ""
        return tuple(names)


class WrapperMark(msgspec.Struct, frozen=True, order=True):
    """One wrapper around a module: the name of its child (`module`), its class, and where it was put on.

    `extra` are the tensors that it has beside its child.
    """

    token: str
    wrapper: str
    site: Site | None
    extra: tuple[str, ...] = ()


Value: TypeAlias = (
    Const
    | Opaque
    | External
    | PythonModule
    | Package
    | Imported
    | ClassValue
    | Function
    | Bound
    | Method
    | Partial
    | SuperValue
    | Ref
    | TupleValue
    | Text
    | Key
    | KeyPieces
    | Keys
    | TensorValue
    | LoadResult
    | Choice
    | Content
)

NONE = Const(None)


def alternatives(value: Value) -> tuple[tuple[Guard, Value], ...]:
    """The alternatives of a value; one without condition when it is no choice."""
    if type(value) is Choice:
        return value.alternatives
    return ((ALWAYS, value),)


def choose(cases: Sequence[tuple[Guard, Value]], unknown: str) -> Value:
    """One value out of guarded ones: flattened, impossible ones dropped, equal ones merged.

    `unknown` names the opaque value that stands for too many alternatives.
    """
    flat: dict[Value, list[Guard]] = {}
    for guard, value in cases:
        for inner, plain in alternatives(value):
            joined = both(guard, inner)
            if joined is not None:
                flat.setdefault(plain, []).append(joined)
    if len(flat) == 1:
        return next(iter(flat))
    merged = [
        (guard, value) for value, guards in flat.items() for guard in (guards if len(guards) == 1 else merge(guards))
    ]
    if not merged or (len(merged) > MOST_ALTERNATIVES and _are_too_many(merged)):
        return Opaque(unknown)
    return Choice(tuple(merged))


def _are_too_many(cases: Sequence[tuple[Guard, Value]]) -> bool:
    if len(cases) > _MOST_WITH_KEYS:
        return True
    settings = {frozenset(one for one in guard if not one.symbol.startswith(_OF_KEYS)) for guard, _ in cases}
    return len(settings) > MOST_ALTERNATIVES // 2


def merge(guards: list[Guard]) -> list[Guard]:
    """Fewer guards that say the same: `a and b` or `a and not b` is `a`.

    Each is held against those after it. What two of them become is new, so those before it are held against it, too;
    `clean` of these fit with nothing else.
    """
    left = list(dict.fromkeys(guards))
    at = clean = 0
    while at < len(left):
        one, other_at = left[at], len(left) - 1 if at < clean else at + 1
        while other_at < len(left):
            other = left[other_at]
            if len(one) < len(other) and one < other:
                del left[other_at]
            elif len(other) < len(one) and other < one:
                del left[at]
                clean = max(0, clean - 1) if at < clean else clean
                break
            elif len(one) == len(other) and len(difference := one ^ other) == 2 and _opposite(difference):
                del left[other_at], left[at]
                left.append(one & other)
                clean, at = (clean - 1 if at < clean else at), 0
                break
            else:
                other_at += 1
        else:
            at += 1
    return left


def _opposite(pair: Guard) -> bool:
    one, other = pair
    return ~one == other
