"""The kinds of entries in the knowledge files; the files themselves say what each field means."""

from __future__ import annotations

import msgspec


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something with dotted names; `source` says where it was read, `since` from which version it holds."""

    names: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    source: str = ""
    since: str = ""


class Wrapper(Entry, frozen=True, kw_only=True):
    """A class or function that puts a module inside another one.

    `asks` is the name that a load through a parent asks for, where the state dict leaves it out.
    """

    token: str
    argument: str
    kind: str
    inherits: bool = False
    copies: bool = False
    extra: tuple[str, ...] = ()
    processes: bool = False
    asks: str = ""


class Preparer(Entry, frozen=True, kw_only=True):
    """A method of a framework's object that gives its arguments back, the modules among them wrapped.

    `makes` is the class of what it wraps them in, where that is a class with a name of its own, as torch's own is.
    """

    owners: tuple[str, ...]
    token: str
    kind: str
    when: str = ""
    unwraps: str = ""
    keyword: str = ""
    makes: str = ""
    processes: bool = False
    asks: str = ""


class Loss(Entry, frozen=True, kw_only=True):
    """A loss of torch.nn.

    `given` maps a tensor to the position of the argument that brings it; those of `always` are there anyway.
    """

    given: dict[str, int] = {}
    always: tuple[str, ...] = ()
    learnable: bool = False


class Layer(Entry, frozen=True, kw_only=True):
    """A layer of torch.nn and its tensors."""

    tensors: tuple[str, ...]


class Save(Entry, frozen=True, kw_only=True):
    """A call that writes a file.

    `once`: of several processes that call it, it lets one write. `pickles`: objects go in as they are, not as their
    state dicts. `read_by` reads what it writes.
    """

    object: tuple[int, str]
    path: tuple[int, str]
    once: bool = False
    pickles: bool = True
    read_by: str = "torch.load"


class Load(Entry, frozen=True, kw_only=True):
    """A call that reads a file.

    `device` is the argument that says where tensors go, `plain` the keyword that refuses all but plain values.
    """

    path: tuple[int, str]
    device: tuple[int, str] | None = None
    plain: str = ""


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calls whose result is of a class that is known; "*" at an end stands for any name."""

    calls: tuple[str, ...]
    kind: str


class PickleFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What torch.load takes with weights_only=True: classes from outside, and what methods give plain values.

    `allowances` are the calls that make it take more, `renames` those that put a finished file in its place, `names`
    those that give a file another name.
    """

    plain: tuple[str, ...]
    methods: frozenset[str]
    allowances: frozenset[str]
    renames: frozenset[str]
    names: frozenset[str]


class Fetch(Entry, frozen=True, kw_only=True):
    """A call whose result comes from outside the project."""


class Through(Entry, frozen=True, kw_only=True):
    """A call that gives its first argument back, changed inside; `shards`: its tensors are cut up among processes."""

    shards: bool = False


class Pick(Entry, frozen=True, kw_only=True):
    """A call that gives of a state dict the keys that another has too: positions or keywords of the two."""

    given: tuple[int, str]
    own: tuple[int, str]


class Unwrap(Entry, frozen=True, kw_only=True):
    """A call that gives back the module inside."""

    tokens: tuple[str, ...]


class Gather(Entry, frozen=True, kw_only=True):
    """A call that gives the state dict of a module, without the prefixes of the wrappers that it knows."""

    strips: tuple[str, ...]


class ProcessGroup(Entry, frozen=True, kw_only=True):
    """A call after which this process is one of several; `rank` is the argument with its number."""

    rank: tuple[int, str]


class RankZero(Entry, frozen=True, kw_only=True):
    """A decorator: the function runs in the first process alone."""


class Collective(Entry, frozen=True, kw_only=True):
    """A call that waits for all processes. `when`: the wrappers for which that holds; `unless`: an argument."""

    when: tuple[str, ...] = ()
    unless: str = ""


class RankWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words by which values that speak of processes are known; the data says what each list is."""

    local: tuple[str, ...]
    node: tuple[str, ...]
    rank: tuple[str, ...]
    flag: tuple[str, ...]
    world: tuple[str, ...]
    devices: tuple[str, ...]
    launched: tuple[str, ...]
    launch: tuple[str, ...]
    apart: tuple[str, ...]
    source: str


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a training run beside the model, and how it is known; the data says what each list is."""

    name: str
    classes: tuple[str, ...]
    words: tuple[str, ...]
    used_by: frozenset[str]
    source: str
    not_words: tuple[str, ...] = ()


class Keeps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calls of libraries that keep all state by themselves, by the end of their names."""

    words: tuple[str, ...]
    source: str


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Schedulers by what making them does to a rate that was loaded; the data says what each list is."""

    stays_wrong: frozenset[str]
    harmless: frozenset[str]
    source: str


class ModuleFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What torch.nn.Module offers, and which classes from outside are modules."""

    returns_self: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    classes: tuple[str, ...] = ()
    frameworks: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    sequences: frozenset[str] = frozenset()
    mappings: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()


class Saved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Modules that a framework saves by itself."""

    by: str
    entry: str
    source: str
    bases: frozenset[str] = frozenset()
    registries: frozenset[str] = frozenset()


class Entries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that one file can hold."""

    wrapper: tuple[Wrapper, ...] = ()
    preparer: tuple[Preparer, ...] = ()
    loss: tuple[Loss, ...] = ()
    layer: tuple[Layer, ...] = ()
    save: tuple[Save, ...] = ()
    load: tuple[Load, ...] = ()
    fetch: tuple[Fetch, ...] = ()
    through: tuple[Through, ...] = ()
    pick: tuple[Pick, ...] = ()
    unwrap: tuple[Unwrap, ...] = ()
    gather: tuple[Gather, ...] = ()
    process_group: tuple[ProcessGroup, ...] = ()
    rank_zero: tuple[RankZero, ...] = ()
    collective: tuple[Collective, ...] = ()
    ranks: RankWords | None = None
    role: tuple[Role, ...] = ()
    keeps: Keeps | None = None
    rates: Rates | None = None
    made: tuple[Made, ...] = ()
    pickles: PickleFacts | None = None
    module: ModuleFacts | None = None
    saved: tuple[Saved, ...] = ()
