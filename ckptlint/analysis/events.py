"""What the run saw happen at the places that the rules talk about.

`run` counts the runs, `entry` the ways into the project's code within them: what happens in one entry happens in one
call of a script or of a function, one thing after the other.

The same place can be run several times, from several callers and scripts; each time is an event. A rule asks for the
events of a place and decides what they say together.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis.guards import Guard
from ckptlint.analysis.live_events import KeptEvent, LiveUseEvent, ModelKeptEvent
from ckptlint.analysis.values import Choice, Content, Ref, Shape, Site, Value, WrapperMark, alternatives


class Moment(msgspec.Struct, frozen=True, order=True):
    """When something happened: the `entry` into the project's code, and a `number` that grows.

    `group` is the entry that made the object whose method was entered: the methods of one object belong together.
    """

    entry: int = 0
    group: int = 0
    number: int = 0


class SavedPart(msgspec.Struct, frozen=True):
    """Something inside what is saved: its path of entry names, and what it is there, under `guard`.

    `content` is a state dict; `module` is the shape of a module object that is pickled whole; both None: anything else,
    which `value` tells. `at` is where the entry was written down, None for what is saved without one.
    """

    entry: tuple[str, ...]
    guard: Guard
    content: Content | None = None
    module: Shape | None = None
    value: Value | None = None
    at: Site | None = None


class RankTest(msgspec.Struct, frozen=True, order=True):
    """A test on the number of the process; `holds`: what stands under it runs where it is true."""

    site: Site
    holds: bool


#: `SaveEvent.read_by`, where torch.save was given a `pickle_module` (cloudpickle, dill).
ANOTHER_PICKLER = "another pickle_module"


class SaveEvent(msgspec.Struct, frozen=True):
    """A file is written. `implied` tells that a framework does it.

    `once`: of several processes that get here, one writes. `tests` are the tests of ranks that were passed. `pickles`:
    objects go in as they are. `rounds` are the loops around it. `made` is the place of the dict that is written.
    `renamed` are the names that the file gets later.
    """

    site: Site
    path: Value
    parts: tuple[SavedPart, ...]
    guard: Guard
    run: int
    stack: tuple[Site, ...] = ()
    implied: str = ""
    once: bool = False
    at: Moment = Moment()
    made: Site | None = None
    tests: tuple[RankTest, ...] = ()
    pickles: bool = True
    read_by: str = "torch.load"
    rounds: tuple[int, ...] = ()
    renamed: tuple[Value, ...] = ()

    @property
    def names(self) -> Value:
        """The path that is written, and those that the file gets later, as one choice."""
        if not self.renamed:
            return self.path
        return Choice(tuple(case for path in (self.path, *self.renamed) for case in alternatives(path)))


class LoadEvent(msgspec.Struct, frozen=True):
    """A file is read; `file` is the number that its contents carry."""

    site: Site
    path: Value
    file: int
    guard: Guard
    run: int
    stack: tuple[Site, ...] = ()


class ReadEvent(msgspec.Struct, frozen=True):
    """A call that could say on which device its tensors go, or that it takes nothing but plain values: `torch.load`.

    `device` and `plain` are the arguments, None where they are not given; `open_ended`: others may be, by `**kwargs`.
    `file` is the number of what is read, 0 where this run has written it: then `own` tells whether states are in it.
    """

    site: Site
    path: Value
    file: int
    own: bool
    device: Value | None
    plain: Value | None
    open_ended: bool
    guard: Guard
    run: int
    entry: int = 0


class TargetCase(msgspec.Struct, frozen=True):
    """The module that is loaded into, in one case."""

    guard: Guard
    shape: Shape | None


class SourceCase(msgspec.Struct, frozen=True):
    """The state dict that is loaded, in one case; content None: not a state dict that the run could follow.

    `held` is the dict, where there is one.
    """

    guard: Guard
    content: Content | None
    empty: bool = False
    held: Ref | None = None


class ApplyEvent(msgspec.Struct, frozen=True):
    """`target.load_state_dict(source)`. `strict` is None when it is not known.

    `handled`: a handler around it takes the error; `after` are the loads whose failure led here. `call` is the call
    that is run in the end: another one than `site` inside a class's own `load_state_dict`.
    """

    site: Site
    targets: tuple[TargetCase, ...]
    sources: tuple[SourceCase, ...]
    strict: bool | None
    guard: Guard
    run: int
    handled: bool
    stack: tuple[Site, ...] = ()
    after: tuple[Site, ...] = ()
    call: Site | None = None
    at: Moment = Moment()
    assign: bool = False
    target: str = ""


class ResultEvent(msgspec.Struct, frozen=True):
    """What becomes of the answer of a load, `apply` being the number of the load's event.

    "dropped": the call is a statement. "kept": it is given the names `names`. "replaced": it takes the place of the
    module. "misused": something is done with it that only a module can, its attribute `names` is read. `site` is where.
    """

    apply: int
    use: str
    site: Site
    names: tuple[str, ...] = ()


class CopyEvent(msgspec.Struct, frozen=True):
    """`own[name].copy_(tensor)`, done for the names that pass the tests of membership `tests`."""

    site: Site
    tests: frozenset[str]


class SlipEvent(msgspec.Struct, frozen=True):
    """A slip in a call, see `slips`.

    `kind` is "uncalled", "path" or "argument"; `what` is whether it is saved or loaded, the path, or the name of the
    argument ("" for one without a name). `targets` are the modules that are loaded into.
    """

    kind: str
    site: Site
    what: str
    targets: tuple[TargetCase, ...] = ()


class SilenceEvent(msgspec.Struct, frozen=True):
    """A branch or a handler that does no more than talk about a load that did not happen, see `failures`.

    `kind` is "missing" (there is no such file) or "failed". `symbols` are the tests that hold where the file is there,
    `files` and `loads` the files read and the loads done in the body of a `try`. `path` is the name of what says where
    the file is, where that is not known; `text` is what is said. `roles`: what is loaded where that is no model, but an
    optimizer, a scheduler, ... `read_before` is the number of files that were read before the handler.
    """

    site: Site
    kind: str
    run: int
    symbols: frozenset[str] = frozenset()
    files: frozenset[int] = frozenset()
    loads: frozenset[Site] = frozenset()
    path: str = ""
    text: str = ""
    roles: tuple[str, ...] = ()
    read_before: int = 0


class StateDictEvent(msgspec.Struct, frozen=True):
    """`module.state_dict()`: what the module was, case by case."""

    site: Site
    cases: tuple[TargetCase, ...]
    guard: Guard
    run: int


class ModuleAccessEvent(msgspec.Struct, frozen=True):
    """`x.module` (or `_orig_mod`) where x has it in some cases and lacks it in others.

    `bare`: in all cases x is a module of a class of the project, never wrapped. `chains` are the wrappers around x,
    case by case, outermost first.
    """

    site: Site
    attribute: str
    present: tuple[Guard, ...]
    absent: tuple[Guard, ...]
    unknown: bool
    handled: bool
    run: int
    guard: Guard = frozenset()
    chains: tuple[tuple[WrapperMark, ...], ...] = ()
    bare: bool = False


class LoadedUnwrapEvent(msgspec.Struct, frozen=True):
    """`torch.load(path)["model"].module`: the file is taken to hold a wrapped module, pickled whole."""

    site: Site
    attribute: str
    file: int
    entry: tuple[str, ...]
    guard: Guard
    handled: bool


class LoadedUseEvent(msgspec.Struct, frozen=True):
    """Something is done with all that a file holds which not every kind of file can stand.

    `how` is "entry" (`loaded["model"]`, `name` is the entry), "module" (`loaded.eval()`, `name` is the method) or
    "state dict" (`net.load_state_dict(loaded)`). `file` is the number of the load; 0 where this same run has
    written the file: then `held` are the entries that it wrote, and `path` is the file's. `handled`: a handler takes
    the error, or this is in a handler.
    """

    site: Site
    how: str
    name: str
    file: int
    guard: Guard
    handled: bool
    run: int
    path: Value | None = None
    held: tuple[str, ...] = ()


class WrapEvent(msgspec.Struct, frozen=True):
    """A module is wrapped; `processes`: in a way that makes sense in one of several processes only."""

    site: Site
    token: str
    wrapper: str
    guard: Guard
    run: int
    processes: bool = False
    entry: int = 0


class ProcessGroupEvent(msgspec.Struct, frozen=True):
    """This process becomes one of several; `rank` is the symbol of its number, "" where it is not given.

    `name` is what was called.
    """

    site: Site
    name: str
    rank: str
    guard: Guard
    entry: int


class CollectiveEvent(msgspec.Struct, frozen=True):
    """A call under a test of ranks that waits for all processes; `name` is what is called."""

    site: Site
    name: str
    guard: Guard
    entry: int
    tests: tuple[RankTest, ...] = ()


class TrainingEvent(msgspec.Struct, frozen=True):
    """`key.act(...)` on the optimizer, scheduler, ... (`role`; "" for a module) of a training run, see `training`.

    `given`: with arguments; `files`: the numbers of the files that they come from. The act "made" is the making of one,
    `of` are the objects that it is given: an optimizer's modules, a scheduler's optimizers. `stack`: the calls around.
    """

    site: Site
    act: str
    role: str
    key: str
    given: bool
    files: frozenset[int]
    guard: Guard
    at: Moment
    of: frozenset[str] = frozenset()
    stack: tuple[Site, ...] = ()


class ProgressEvent(msgspec.Struct, frozen=True):
    """A name is given a count out of a file: `start_epoch = ckpt["epoch"]`."""

    name: str
    file: int
    at: Moment


class TensorEvent(msgspec.Struct, frozen=True):
    """`self.name = tensor` on a module: neither a parameter nor a buffer. `cls` is the name of the module's class."""

    site: Site
    name: str
    owner: int
    cls: str


class Events(msgspec.Struct):
    """All that happened, in the order of the run."""

    saves: list[SaveEvent] = []
    loads: list[LoadEvent] = []
    reads: list[ReadEvent] = []
    allowances: list[Site] = []
    renames: list[Site] = []
    tensors: list[TensorEvent] = []
    applies: list[ApplyEvent] = []
    results: list[ResultEvent] = []
    copies: list[CopyEvent] = []
    silences: list[SilenceEvent] = []
    slips: list[SlipEvent] = []
    state_dicts: list[StateDictEvent] = []
    accesses: list[ModuleAccessEvent] = []
    wraps: list[WrapEvent] = []
    training: list[TrainingEvent] = []
    chosen: dict[Site, Site] = {}
    progress: list[ProgressEvent] = []
    kept_elsewhere: set[int] = set()
    process_groups: list[ProcessGroupEvent] = []
    collectives: list[CollectiveEvent] = []
    loaded_unwraps: list[LoadedUnwrapEvent] = []
    kept: list[KeptEvent] = []
    live_uses: list[LiveUseEvent] = []
    kept_models: list[ModelKeptEvent] = []
    loaded_uses: list[LoadedUseEvent] = []

    @property
    def count(self) -> int:
        """How much has happened; it only grows."""
        return sum(map(len, msgspec.structs.astuple(self)))
