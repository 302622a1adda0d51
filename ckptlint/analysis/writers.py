"""Files that several processes of a distributed run write at once.

A save is held against what shows that there are several processes: a module wrapped in DistributedDataParallel, or a
process group that is joined. Who gets to the save is told by its guard, see `ranks`:

    model = DistributedDataParallel(model)
    torch.save(model.state_dict(), path)                every process
    if local_rank == 0: torch.save(...)                 one for each machine; `test` is the place of the condition
    if rank == 0: torch.save(...)                       one: fine

Files with the rank in their name, and buffers in memory, are each process's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from ckptlint.analysis.events import ProcessGroupEvent, RankTest, SaveEvent, WrapEvent
from ckptlint.analysis.guards import Guard
from ckptlint.analysis.ranks import FIRST, NEIGHBOUR, OTHER_MACHINE, SPAWNED, Answer, Tests, passes
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import Const, External, Opaque, Ref, Site, Text, Value, alternatives

if TYPE_CHECKING:
    from ckptlint.analysis.machine import Machine
    from ckptlint.analysis.solve import Project

_OWN_NAMES = ("getpid", "uuid", "gethostname", "mkdtemp", "mkstemp", "tempfile", "NamedTemporaryFile")


class SharedWrite(msgspec.Struct, frozen=True):
    """A save that several processes get to: all of them, or one for each machine.

    `because` is what makes them several, `by` the wrapper; `test` the condition on ranks that the save is under.
    `may_be_alone`: the same code runs in a single process too. `foreign_group`: the processes are not torch's.
    """

    site: Site
    every: bool
    because: Site
    by: str
    test: RankTest | None
    may_be_alone: bool
    foreign_group: bool


def shared_writes(project: Project) -> Iterator[SharedWrite]:
    """Every such save, once."""
    events, machine = project.events, project.machine
    contexts = _contexts(events.wraps, events.process_groups)
    numbered = _numbered(events.process_groups)
    found: dict[Site, SharedWrite] = {}
    for save in events.saves:
        if save.once or save.implied or not _is_checkpoint(save) or not _is_shared(machine, save.path):
            continue
        tests = Tests(numbered.get(save.at.entry, {}), machine.rank_cases)
        since = dict.fromkeys((save.at.entry, _several_since(machine, save)))
        for context in [one for entry in since for one in contexts.get(entry, ())]:
            write = _held_against(machine, save, context, tests)
            if write is not None and (save.site not in found or write.every > found[save.site].every):
                found[save.site] = write
    yield from found.values()


def _several_since(machine: Machine, save: SaveEvent) -> int:
    """The entry in which the processes of a save became several.

    That is its own; or that in which the object was made whose method was entered, where the method trains as it
    saves: nobody calls that in one process alone.
    """
    trains = any(machine.rounds.table[loop].trains for loop in save.rounds)
    return save.at.group if trains else save.at.entry


class Context(msgspec.Struct, frozen=True):
    """Under which conditions this is one of several processes, and where that is seen."""

    guard: Guard
    site: Site
    by: str
    foreign: bool = False


def _contexts(wraps: Iterable[WrapEvent], groups: Iterable[ProcessGroupEvent]) -> dict[int, list[Context]]:
    """By entry, what makes it one of several processes: wrappers, or else the group that is joined."""
    found: dict[int, dict[Context, None]] = {}
    for wrap in wraps:
        if wrap.processes:
            found.setdefault(wrap.entry, {})[Context(wrap.guard, wrap.site, wrap.wrapper)] = None
    for group in groups:
        if group.entry not in found:
            foreign = not group.name.startswith(("torch.", "deepspeed."))
            found[group.entry] = {Context(group.guard, group.site, "", foreign): None}
    return {entry: list(contexts) for entry, contexts in found.items()}


def _numbered(groups: Iterable[ProcessGroupEvent]) -> dict[int, dict[str, str]]:
    """By entry, what the arguments of `init_process_group(rank=...)` say of symbols: that is the number among all."""
    found: dict[int, dict[str, str]] = {}
    for group in groups:
        if group.rank and not group.rank.isdigit():
            found.setdefault(group.entry, {})[group.rank] = "rank"
    return found


def _held_against(machine: Machine, save: SaveEvent, context: Context, tests: Tests) -> SharedWrite | None:
    answers = {
        process: passes(machine.ranks, save.guard, context.guard, process, tests)
        for process in (FIRST, NEIGHBOUR, OTHER_MACHINE)
    }
    if Answer.UNKNOWN in answers.values():
        return None
    every = answers[NEIGHBOUR] is Answer.YES
    if every or (answers[OTHER_MACHINE] is Answer.YES and _one_machine_is_not_all(save.guard, tests)):
        test = save.tests[-1] if save.tests else None
        alone = bool(context.guard)
        return SharedWrite(save.site, every, context.site, context.by, test, alone, context.foreign)
    return None


def _one_machine_is_not_all(guard: Guard, tests: Tests) -> bool:
    """The index of a spawned process is the rank where nobody says otherwise: such scripts know one machine."""
    about_spawned = any(SPAWNED in part.symbol for literal in guard for part in literal.parts or (literal,))
    return not about_spawned or any(symbol != SPAWNED and SPAWNED in symbol for symbol in tests.numbered)


def _is_checkpoint(save: SaveEvent) -> bool:
    """Whether a state dict or a module goes into the file; results and features are another matter."""
    return any(
        (part.content is not None and part.content.shape is not None) or part.module is not None for part in save.parts
    )


def _is_shared(machine: Machine, path: Value) -> bool:
    """Whether all processes mean the same file: not a buffer, and nothing of the process in its name."""
    return all(_names_one_file(machine, plain) for _, plain in alternatives(path))


def _names_one_file(machine: Machine, path: Value) -> bool:
    if isinstance(path, Ref):
        cls = machine.info(path).cls
        return not (isinstance(cls, External) and cls.name.startswith(("io.", "tempfile.")))
    pieces: tuple[str | Opaque, ...] = path.parts if isinstance(path, Text) else ()
    symbols = [piece.symbol for piece in pieces if isinstance(piece, Opaque)] or [symbol_of(path)]
    if isinstance(path, Const):
        return True
    return not any(
        machine.ranks.kind(symbol) in ("rank", "local", "node", "odd") or any(one in symbol for one in _OWN_NAMES)
        for symbol in symbols
    )


class LonelyCollective(msgspec.Struct, frozen=True):
    """A call that waits for all processes, where some never come. `by_machine`: one of each machine does."""

    site: Site
    name: str
    tests: tuple[RankTest, ...]
    by_machine: bool


def lonely_collectives(project: Project) -> Iterator[LonelyCollective]:
    """Every such call, once."""
    machine = project.machine
    numbered = _numbered(project.events.process_groups)
    found: dict[Site, LonelyCollective] = {}
    for call in project.events.collectives:
        tests = Tests(numbered.get(call.entry, {}), machine.rank_cases)
        first, neighbour, other = (
            passes(machine.ranks, call.guard, frozenset(), process, tests)
            for process in (FIRST, NEIGHBOUR, OTHER_MACHINE)
        )
        if first is Answer.YES and neighbour is Answer.NO:
            found[call.site] = LonelyCollective(call.site, call.name, call.tests, other is Answer.YES)
    yield from found.values()
