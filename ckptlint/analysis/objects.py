"""What is fixed about functions, classes and objects; what changes about them is in `memory`."""

from __future__ import annotations

import msgspec

from ckptlint.analysis.guards import ALWAYS, Guard
from ckptlint.analysis.live_events import Taken
from ckptlint.analysis.values import Site, Value
from ckptlint.facts import ir
from ckptlint.knowledge import Wrapper


class FunctionInfo(msgspec.Struct):
    """A function of the project: its code, where it stands, the scopes around it, the class that owns it.

    `kind` is "plain", "static", "class" or "property". `decorated` says that what stands under its name may be
    something else; what that is, is `name_means`, once it was asked for: see `decorators`.
    """

    name: str
    node: ir.FunctionDef | ir.Lambda | None
    file: str
    unit: int
    parents: tuple[int, ...]
    owner: int | None = None
    kind: str = "plain"
    decorated: bool = False
    name_means: Value | None = None

    @property
    def place(self) -> tuple[str, int, int]:
        """What identifies the code, whatever the scope."""
        return (self.file, self.unit, self.node.id if self.node is not None else 0)


class ClassInfo(msgspec.Struct):
    """A class of the project: its bases, the scope that holds its attributes, and its methods' names."""

    name: str
    file: str
    node: ir.ClassDef
    unit: int
    bases: tuple[Value, ...]
    scope: int
    frame: int
    decorators: tuple[Value, ...] = ()


class KeyHistory(msgspec.Struct):
    """What has happened to the keys of a dict, see `picks`.

    `own`: they are those of a module. `tests` are the tests of membership that they have passed, `drawn_from` the
    objects that they come from; `picked`: each had to pass one, and perhaps none did. `merged` is where others came in
    among the own ones, all at once unless `one_by_one`; then `all_names`: in a loop over their names, so that one that
    the model lacks comes in too. `counted`: somebody asked for their number; `compared`: or held them all against other
    keys. `loaded`: tensors were put in one by one that are none of a model in memory.
    """

    own: bool = False
    tests: frozenset[str] = frozenset()
    drawn_from: set[int] = set()
    picked: bool = False
    merged: Site | None = None
    one_by_one: bool = False
    all_names: bool = False
    counted: bool = False
    compared: bool = False
    loaded: bool = False


class ObjectInfo(msgspec.Struct):
    """An object: "module", "instance", "foreign", "dict", "list", "file" or "opaque".

    A "foreign" object was made by a class from outside that is not known to be a module; an "opaque" one stands for an
    opaque value that got attributes, its `cls`. `foundation` is the class from outside whose `__init__` filled the
    object, `guard` what held when it was made, `made_in` the file that was just being imported, and `fills_itself` says
    that this file has put something into it.

    `names` are its attributes or entries in the order in which they were first set, with the place of the registration.
    A list that is no more the one that was written down has `grown`, and so has a dict that got entries whose names are
    not known. A module that wraps another one has its `wrapper`;
    `arguments` are those of an object made by a class outside. `taken`: a dict whose tensors are a module's own.
    """

    kind: str
    cls: Value | None
    site: Site | None
    names: dict[str, Site | None]
    wrapper: Wrapper | None = None
    token: str = ""
    positional: tuple[Value, ...] = ()
    keywords: dict[str, Value] = {}
    path: Value | None = None
    entry: tuple[str, ...] = ()
    file: int | None = None
    foreign: bool = False
    foundation: str = ""
    buffers: set[str] = set()
    grown: bool = False
    non_persistent: set[str] = set()
    guard: Guard = ALWAYS
    group: int = 0
    made_in: str = ""
    fills_itself: bool = False
    history: KeyHistory | None = None
    taken: Taken | None = None
