"""The abstract machine: what it knows while it runs a project.

The machine runs Python over abstract values. It is one mutable object that the functions of this folder pass along:
`statements` runs blocks, `expressions` evaluates, `calls` follows calls into the project or into what is known about
torch. Reading a name that holds different values under different conditions gives a `Choice`, cut down to what is
possible under the conditions of the code being run (`guard`).

The run is bounded: a call deeper than `DEEPEST`, or one more call of a function that is already being run, gives an
opaque value, and so does everything after its steps have run out, see `steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ckptlint.analysis.candidates import Candidates
from ckptlint.analysis.events import Events, Moment, RankTest
from ckptlint.analysis.guards import ALWAYS, Guard, Literal, both, implied
from ckptlint.analysis.live_events import Held
from ckptlint.analysis.memory import Memory
from ckptlint.analysis.objects import ClassInfo, FunctionInfo, ObjectInfo
from ckptlint.analysis.patience import Patience
from ckptlint.analysis.ranks import Ranks
from ckptlint.analysis.roles import Roles
from ckptlint.analysis.steps import Steps
from ckptlint.analysis.values import (
    TOKENS,
    Choice,
    ClassValue,
    Opaque,
    Ref,
    Site,
    TupleValue,
    Value,
    alternatives,
    choose,
)
from ckptlint.facts import ir
from ckptlint.facts.store import FactStore
from ckptlint.knowledge import Knowledge
from ckptlint.project.callers import Callers
from ckptlint.project.modules import ModuleMap

DEEPEST = 14

#: Lines take as much memory again as the text: of so many files they are kept.
_FILES_IN_LINES = 32


class MemberTest(msgspec.Struct, frozen=True):
    """`key in container`, at one place; see `picks`."""

    container: str
    site: Site


class Notes(msgspec.Struct):
    """What is kept beside the store, for the rules.

    `member_tests` by their symbols; `told` are the containers of which it was told which keys are not in them, see
    `picks`. `uncalled` are the places where a `state_dict` was read and not called, see `slips`.
    `called_by_init` are the methods (file, unit, class) that the making of a generic object has run, see `roots`.
    """

    member_tests: dict[str, MemberTest] = {}
    told: set[str] = set()
    uncalled: dict[Value, Site] = {}
    called_by_init: set[tuple[str, int, int]] = set()


class Loop(msgspec.Struct):
    """A loop that was run: what held when it began, the newest object then, the clock of training before and after."""

    guard: Guard
    newest: int
    before: int
    after: int = 0

    @property
    def trains(self) -> bool:
        """Whether a model was trained in it."""
        return self.after > self.before


class Rounds(msgspec.Struct):
    """Loops and training, see `live`.

    `table` are all loops that were run, `around` the numbers of those around this place, `trained` the clock that steps
    of training advance, `made_in` the loops in which something from outside was made, by its symbol. `argument` is
    where the state dict is kept that is about to be loaded; `loaded` the last place that has loaded one, and what the
    clock said then: a load into one of several models is no step of training for the others.
    """

    table: list[Loop] = []
    around: tuple[int, ...] = ()
    trained: int = 0
    made_in: dict[str, tuple[int, ...]] = {}
    argument: Held | None = None
    loaded: tuple[Site, int] | None = None


class Seen(msgspec.Struct):
    """What values turned out to be by their use.

    `as_modules` are the symbols of what was asked for parameters and the like, `read_modules` the entries of files that
    were used as modules, `read_states` the files whose tensors were put into the state dict of a model. Of what was
    both `stepped` and asked for its state dict (`with_state`) an optimizer or a scheduler is left.
    """

    as_modules: set[str] = set()
    read_modules: set[tuple[int, tuple[str, ...]]] = set()
    read_states: set[int] = set()
    stepped: set[str] = set()
    with_state: set[str] = set()


class Frame(msgspec.Struct):
    """A function being run: its scope in memory, the code, and what it has returned so far.

    `owner` is the class whose body or method this is, `given` are the arguments; `looping` is what the loops go over,
    `among` and `not_among` the tests of membership that some keys have passed, or failed, for which the branch is run,
    `ruled_out` what names do not mean, `broken` where a `break` has left the loop being run.
    """

    scope: int
    file: str
    unit: int
    parents: tuple[int, ...]
    function: FunctionInfo | None = None
    receiver: Value | None = None
    owner: int | None = None
    called_from: Site | None = None
    given: tuple[Value, ...] = ()
    returned: list[tuple[Guard, Value]] = []
    looping: list[Ref] = []
    among: frozenset[str] = frozenset()
    not_among: frozenset[str] = frozenset()
    ruled_out: Mapping[str, tuple[Value, frozenset[Value]]] = {}
    broken: list[Guard] = []
    globals_here: frozenset[str] = frozenset()
    nonlocals_here: frozenset[str] = frozenset()


class TryBlock(msgspec.Struct):
    """A `try` being run: under which guards its body is known to raise, and what the handlers catch.

    `sure` says that `.module` was read in its body, and was there each time; `forgiving` that a load with strict=False
    stands there, which no keys make fail; `failed` that an attribute was read there which certainly is not.
    """

    catches: frozenset[str]
    raised: list[Guard] = []
    sure: bool | None = None
    forgiving: bool = False
    failed: bool = False

    def catches_any(self, exception: str) -> bool:
        """Whether a handler takes that exception: by name, by a base, or by taking everything."""
        return not self.catches.isdisjoint((exception, "Exception", "BaseException", "*"))


class Machine:
    """See the module."""

    handling: int = 0
    """How many exception handlers are being run, one in another."""

    failed: tuple[Site, ...] = ()

    def __init__(self, store: FactStore, modules: ModuleMap, knowledge: Knowledge) -> None:
        self.store = store
        self.modules = modules
        self.candidates = Candidates(store)
        self.callers = Callers(store, self.candidates.called)
        self.knowledge = knowledge
        self.ranks = Ranks(knowledge.ranks)
        self.rank_tests: dict[Literal, RankTest] = {}
        self.decided_tests: list[RankTest] = []
        self.rank_cases: dict[str, tuple[Guard, ...]] = {}
        self.memory = Memory()
        self.events = Events()
        self.functions: list[FunctionInfo] = []
        self.classes: list[ClassInfo] = []
        self.objects: dict[int, ObjectInfo] = {}
        self.frames: list[Frame] = []
        self.guard: Guard = ALWAYS
        self.tries: list[TryBlock] = []
        self.vague = False
        self.refuted: frozenset[Value] = frozenset()
        self.calls: list[Site] = []
        self.running: list[tuple[str, int, int]] = []
        self.executed: set[tuple[str, int]] = set()
        self.executed_on: set[tuple[str, int, int]] = set()
        self.star_imports: dict[str, list[str]] = {}
        self.module_scopes: dict[str, int] = {}
        self.module_state: dict[str, str] = {}
        self.deferred: dict[str, None] = {}
        self.filled: dict[str, int] = {}
        self.importing = ""
        self.main_blocks: dict[str, list[ir.If]] = {}
        self.chosen: dict[Value, Site] = {}
        self.opaque_owners: dict[str, int] = {}
        self.escaped: list[Value] = []
        self.given: set[int] = set()
        self.asked: dict[int, tuple[str, Site]] = {}
        self.parameter_symbols: set[str] = set()
        self.generic: dict[int, Ref] = {}
        self.registering: dict[tuple[str, int], bool] = {}
        self.assigned_once: dict[str, frozenset[str]] = {}
        self.run = self.files = self.entry = self.group = self.moments = 0
        self.roles = Roles(knowledge.roles, knowledge.keeps)
        self.disk = self.memory.new_owner()
        self.steps = Steps()
        self.patience = Patience(self.memory, self.events, self.steps, self.objects, knowledge)
        self.notes = Notes()
        self.own_names: set[str] = set()
        self.registered: dict[tuple[int, str, int], Site] = {}
        self.rounds = Rounds()
        self.seen = Seen()
        self._lines: dict[str, list[str]] = {}

    @property
    def has_failed(self) -> bool:
        """Whether the body of the `try` being run has ended in an exception that its handlers take."""
        return bool(self.tries) and self.tries[-1].failed

    # --- objects ---------------------------------------------------------------------------------------------------

    def new_object(self, kind: str, cls: Value | None, site: Site | None) -> Ref:
        """Make an object."""
        owner = self.memory.new_owner()
        self.objects[owner] = ObjectInfo(
            kind, cls, site, {}, guard=self.guard, group=self.group, made_in=self.importing
        )
        return Ref(owner)

    def info(self, ref: Ref) -> ObjectInfo:
        """What is fixed about an object."""
        return self.objects[ref.id]

    def set(self, ref: Ref, name: str, value: Value, site: Site | None = None) -> None:
        """Set an attribute or entry of an object."""
        info = self.objects[ref.id]
        names = info.names
        if info.made_in and info.made_in == self.importing:
            info.fills_itself = True
        if name not in names or (site is not None and names[name] is None):
            names[name] = site
        if site is not None and isinstance(value, Ref):
            self.registered[(ref.id, name, value.id)] = site
        self.memory.write(ref.id, name, value)
        if name in TOKENS and self._is_part(ref, value):
            self.own_names.add(name)

    def _is_part(self, ref: Ref, value: Value) -> bool:
        """Whether a module gets another one as a part of its own, not as what it wraps."""
        info = self.objects[ref.id]
        if info.kind != "module" or info.wrapper is not None:
            return False
        return isinstance(value, Ref) and self.objects[value.id].kind in ("module", "foreign")

    def get(self, ref: Ref, name: str) -> Value | None:
        """An attribute or entry of an object as it is under the present guard."""
        value = self.memory.cells.get((ref.id, name))
        return None if value is None else self.narrow(value)

    def give(self, values: Iterable[Value]) -> None:
        """Note what is handed to code that is not known, which may keep or register it."""
        for value in values:
            if isinstance(value, TupleValue):
                self.give(value.items)
            elif isinstance(value, (Ref, Choice)):
                self.given.update(plain.id for _, plain in alternatives(value) if isinstance(plain, Ref))

    def ask(self, value: Value, site: Site, how: str) -> None:
        """Note that somebody takes the state dict of a value ("1 taken"), loads one into it ("2 loaded") or asks for
        its parameters ("3 parameters"), see `unregistered`."""
        if isinstance(value, Ref) and (value.id not in self.asked or how < self.asked[value.id][0]):
            self.asked[value.id] = (how, site)

    def now(self) -> Moment:
        """This moment, later than all that were asked for before."""
        self.moments += 1
        return Moment(self.entry, self.group, self.moments)

    # --- conditions ------------------------------------------------------------------------------------------------

    def narrow(self, value: Value) -> Value:
        """The value as it is under the present guard."""
        if type(value) is not Choice:
            return value
        guard = self.guard
        if not guard:
            return value
        kept = [(implied(inner, guard), plain) for inner, plain in value.alternatives if both(inner, guard) is not None]
        if not kept:
            return Opaque("unreachable")
        if len(kept) == 1:
            return kept[0][1]
        return choose(kept, "mixed")

    def site(self, node: ir.Node) -> Site:
        """The place of a node of the function being run."""
        frame = self.frames[-1]
        return Site(frame.file, frame.unit, node.id)

    # --- names -----------------------------------------------------------------------------------------------------

    def class_info(self, value: ClassValue) -> ClassInfo:
        """What is fixed about a class."""
        return self.classes[value.key]

    def opaque_owner(self, value: Opaque) -> int:
        """The owner of attributes that were set on an opaque value."""
        symbol = value.symbol
        if symbol not in self.opaque_owners:
            self.opaque_owners[symbol] = self.new_object("opaque", value, None).id
        return self.opaque_owners[symbol]

    def lines(self, file: str) -> list[str]:
        """The lines of a file."""
        if file not in self._lines:
            if len(self._lines) >= _FILES_IN_LINES:
                self._lines.clear()
            self._lines[file] = self.store.source(file).text.split("\n")
        return self._lines[file]
