"""Which processes of a distributed run get past a condition.

Three processes stand for all of a launch on two machines of eight GPUs each: the first one, its neighbour on the same
machine, and the first one of the other machine. A guard is asked about each of them, with the symbols that speak of
ranks set to the numbers of that process:

    rank == 0                                      FIRST
    local_rank in (-1, 0)                          FIRST, OTHER_MACHINE         one process for each machine
    not args.distributed or args.rank == 0         FIRST, given that `args.distributed` holds where DDP was put on
    epoch % 10 == 0                                all three

What a symbol speaks of is told by its words (knowledge/processes.toml). A condition about the launch that nothing
decides makes the answer unknown: "not multi_gpu" may be another way to say that there is one process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

import msgspec

from ckptlint.analysis.guards import ALWAYS, MOST_LITERALS, NOT_ALL, Guard, Literal, both, satisfiable
from ckptlint.knowledge import RankWords


class Process(msgspec.Struct, frozen=True):
    """The numbers of one process: among all, on its machine, and of its machine."""

    rank: int
    local_rank: int
    node: int


FIRST = Process(0, 0, 0)
NEIGHBOUR = Process(1, 1, 0)
OTHER_MACHINE = Process(8, 0, 1)

_PROCESSES = 16
_DEVICES = 8

#: The symbol of the number that `torch.multiprocessing.spawn` gives to each process.
SPAWNED = "spawned process index"


#: What values are called that could be too many things to follow: the number of the process may be in them.
_LOST = frozenset(("mixed", "compare", "not", "bool", "any", "entry", "element", "unpacked"))


class Unknown(Enum):
    """Why a symbol has no number: it is about other things, about the launch, or about ranks in an odd way."""

    OTHER = 1
    LAUNCH = 2
    ODD = 3


class Ranks:
    """What symbols say about processes, by their words; each symbol is looked at once."""

    def __init__(self, words: RankWords) -> None:
        def any_of(fragments: Iterable[str]) -> re.Pattern[str]:
            return re.compile("|".join(fragments), re.IGNORECASE)

        self._local, self._node, self._rank = any_of(words.local), any_of(words.node), any_of(words.rank)
        self._flag, self._world, self._devices = any_of(words.flag), any_of(words.world), any_of(words.devices)
        self._launched, self._launch, self._apart = any_of(words.launched), any_of(words.launch), any_of(words.apart)
        some = (*words.local, *words.node, *words.rank, *words.world, *words.devices, *words.launched, *words.launch)
        self._some = any_of(some)
        self._known: dict[str, str] = {}

    def kind(self, symbol: str) -> str:
        """Of the words of the module: "rank", "local", "main", "local main", "odd", ...; "" for other things."""
        known = self._known.get(symbol)
        if known is None:
            known = self._known[symbol] = self._kind(symbol.partition("@")[0])
        return known

    def _kind(self, symbol: str) -> str:
        if symbol in _LOST:
            return "lost"
        if symbol != SPAWNED and not self._some.search(symbol):
            return ""
        if self._apart.search(symbol) or symbol.startswith(("exception", "a load", "file ", "prefix of", "key ")):
            return ""
        if self._launched.search(symbol):
            return "launched"
        local, node = self._local.search(symbol) is not None, self._node.search(symbol) is not None
        if symbol == SPAWNED or local or node or self._rank.search(symbol):
            return self._rank_kind(symbol, local, node)
        if self._world.search(symbol):
            return "world"
        if self._devices.search(symbol):
            return "devices"
        return "launch" if self._launch.search(symbol) else ""

    def _rank_kind(self, symbol: str, local: bool, node: bool) -> str:
        if " in " in symbol or symbol.count(" == ") > 1:
            return "odd"
        if " == " in symbol:
            return "local main" if local else "main"
        if " % " in symbol:
            return "local"
        if " * " in symbol and " + " in symbol:
            return "rank"
        if re.search(r" [<>/|&!]|\bnot\b| \+ | - ", symbol):
            return "odd"
        if self._flag.search(symbol):
            return "local main" if local else "main"
        if symbol == SPAWNED:
            return "local"
        return "local" if local else "node" if node else "rank"

    def mentions(self, literal: Literal) -> bool:
        """Whether the literal, or a part of it, speaks of the number of the process."""
        return any(
            self.kind(part.symbol) in ("rank", "local", "node", "main", "local main", "odd")
            for part in literal.parts or (literal,)
        )

    def speak(self, guards: Iterable[Guard]) -> bool:
        """Whether one of the guards speaks of the number of the process."""
        return any(map(self.mentions, ALWAYS.union(*guards)))

    def value(self, symbol: str, process: Process, numbered: Mapping[str, str]) -> bool | int | Unknown:
        """What the symbol is in that process; `numbered` says better of some symbols of what kind they are."""
        kind = numbered.get(symbol) or self.kind(symbol)
        values: dict[str, bool | int] = {
            "rank": process.rank,
            "local": process.local_rank,
            "node": process.node,
            "main": process.rank == 0,
            "local main": process.local_rank == 0,
            "world": _PROCESSES,
            "devices": _DEVICES,
            "launched": True,
        }
        unknown = {"launch": Unknown.LAUNCH, "odd": Unknown.ODD, "lost": Unknown.ODD}
        return values[kind] if kind in values else unknown.get(kind, Unknown.OTHER)


#: Symbols that stand for cases are followed into each other so far.
_DEEPEST_CASES = 3


class Answer(Enum):
    """Whether a process gets past a guard."""

    YES = 1
    NO = 2
    UNKNOWN = 3


class Tests(msgspec.Struct, frozen=True):
    """What literals of a run mean beyond their words.

    `numbered`: kinds of symbols that are known better; `cases`: symbols that stand for a disjunction of guards, which
    may speak of each other, even in a circle; `depth` counts how far they have been followed.
    """

    numbered: Mapping[str, str] = {}
    cases: Mapping[str, tuple[Guard, ...]] = {}
    depth: int = 0

    def inside(self, symbol: str) -> Tests:
        """What they mean in the cases of that symbol, where nothing more is known of the symbol itself."""
        return Tests(self.numbered, {**self.cases, symbol: ()}, self.depth + 1)


def passes(ranks: Ranks, guard: Guard, given: Guard, process: Process, tests: Tests) -> Answer:
    """Whether `process` can get past `guard`, in a run in which `given` holds as well."""
    if len(guard) >= MOST_LITERALS:
        return Answer.UNKNOWN  # some of its literals may have been forgotten
    if not satisfiable(guard | given):
        return Answer.NO
    answers = [_holds(ranks, literal, given, process, tests) for literal in guard | given]
    if Answer.NO in answers:
        return Answer.NO
    return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.YES


def may_be_launched(ranks: Ranks, guard: Guard) -> bool:
    """False where the guard itself says that there is one process: `else` of `if dist.is_initialized():`."""
    return not any(ranks.kind(one.symbol) == "launched" and not one.accepts(True) for one in guard)


def _holds(ranks: Ranks, literal: Literal, given: Guard, process: Process, tests: Tests) -> Answer:
    """Whether the literal can be true there; UNKNOWN where that hangs on the launch alone."""
    if literal.op == NOT_ALL:
        parts = [_holds(ranks, part, given, process, tests) for part in literal.parts]
        if literal.negated:
            return Answer.NO if Answer.NO in parts else Answer.UNKNOWN if Answer.UNKNOWN in parts else Answer.YES
        wanted = [_holds(ranks, ~part, given, process, tests) for part in literal.parts]
        if Answer.YES in wanted:
            return Answer.YES
        # `not (args.distributed and rank != 0)`: whoever wrote it thought of ranks, and of the launch in his own words
        return Answer.NO if ranks.mentions(literal) or Answer.UNKNOWN not in wanted else Answer.UNKNOWN
    cases = tests.cases.get(literal.symbol)
    if cases == () or (cases is not None and tests.depth >= _DEEPEST_CASES):
        return Answer.UNKNOWN
    if cases is not None:
        inside = tests.inside(literal.symbol)
        passed = [passes(ranks, case, given - {literal, ~literal}, process, inside) for case in cases]
        if Answer.YES in passed:
            return Answer.NO if literal.negated else Answer.YES
        return Answer.YES if literal.negated else Answer.NO
    value = ranks.value(literal.symbol, process, tests.numbered)
    if value is Unknown.OTHER:
        return Answer.NO if both(given, frozenset((literal,))) is None else Answer.YES
    if isinstance(value, Unknown):
        if literal in given or both(given, frozenset((~literal,))) is None:
            return Answer.YES
        return Answer.UNKNOWN
    return Answer.YES if literal.accepts(value) else Answer.NO
