"""Calls in which processes meet: joining a group, waiting for all, and functions that only the first one runs."""

from __future__ import annotations

from collections.abc import Mapping

from ckptlint.analysis import rank_tests
from ckptlint.analysis.events import CollectiveEvent, ProcessGroupEvent, RankTest
from ckptlint.analysis.guards import both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import Bound, Const, External, Function, Opaque, Partial, Ref, Site, Value, alternatives
from ckptlint.knowledge import Collective

_DEEPEST = 6
_STATE_DICT = "torch.nn.Module.state_dict"

#: The name under which a function for the first process is called.
FIRST_ONLY_CALL = "ckptlint.first_process_only"


def noted(machine: Machine, name: str, given: tuple[tuple[Value, ...], Mapping[str, Value]], site: Site) -> None:
    """Note a call of something from outside, if it joins processes or waits for them."""
    positional, keywords = given
    group = machine.knowledge.process_group(name)
    if group is not None:
        position, keyword = group.rank
        rank = positional[position] if 0 <= position < len(positional) else keywords.get(keyword)
        symbol = symbol_of(rank) if rank is not None else ""
        machine.events.process_groups.append(ProcessGroupEvent(site, name, symbol, machine.guard, machine.entry))
    collective = _joint(machine, name, keywords)
    models = (*positional[:1], *keywords.values())
    if collective is not None and _concerns(machine, collective, models):
        _note(machine, name, site)


def is_joint(machine: Machine, name: str, keywords: Mapping[str, Value]) -> bool:
    """Whether all processes have to make the call together, so that each writes its own part of a file."""
    return _joint(machine, name, keywords) is not None


def _joint(machine: Machine, name: str, keywords: Mapping[str, Value]) -> Collective | None:
    """What is known of a call for all processes; None too where it is told that there is only one (`no_dist=True`)."""
    collective = machine.knowledge.collective(name)
    if collective is None or (collective.unless and keywords.get(collective.unless) not in (None, Const(False))):
        return None
    return collective


def state_dict_taken(machine: Machine, target: Value, site: Site) -> None:
    """`target.state_dict()`, which gathers from all processes what is sharded among them."""
    if not machine.rank_tests or not rank_tests.passed(machine):
        return
    collective = machine.knowledge.collective(_STATE_DICT)
    if collective is not None and any(
        kind in collective.when for _, plain in alternatives(target) for kind in _wrapped_in(machine, plain, 0)
    ):
        _note(machine, "state_dict", site)


def method_called(machine: Machine, receiver: Value, name: str, site: Site) -> None:
    """A method of a wrapper that a framework made: `engine.save_checkpoint(folder)`."""
    if not isinstance(receiver, Ref) or not machine.rank_tests:
        return
    wrapper = machine.info(receiver).wrapper
    if wrapper is None:
        return
    collective = machine.knowledge.collective(f"deepspeed.{wrapper.kind}.{name}")
    if collective is not None and wrapper.kind in collective.when:
        _note(machine, name, site)


def keeps_to_first(machine: Machine, decorator: Value) -> bool:
    """Whether a decorator from outside keeps a function to the first process: known for it, or called so."""
    name = (
        decorator.name if isinstance(decorator, External) else decorator.symbol if isinstance(decorator, Opaque) else ""
    )
    if not name:
        return False
    return machine.knowledge.rank_zero(name) is not None or machine.ranks.kind(name.rpartition(".")[2]) in (
        "main",
        "local main",
    )


def for_first_only(function: Value) -> Value:
    """What such a decorator makes of a function."""
    return Partial(External(FIRST_ONLY_CALL), (function,), ())


def first_only(machine: Machine, given: tuple[tuple[Value, ...], Mapping[str, Value]], site: Site) -> Value:
    """A call of a function that has such a decorator; of `one_rank_only()` itself, which makes the decorator."""
    from ckptlint.analysis import calls

    positional, keywords = given
    if not positional or not isinstance(positional[0], (Function, Bound, Partial)):
        return Opaque("rank_zero_only")
    before = machine.guard
    joined = both(before, frozenset((rank_tests.FIRST_ONLY,)))
    if joined is None:
        return Const(None)
    machine.guard = joined
    machine.rank_tests.setdefault(rank_tests.FIRST_ONLY, RankTest(site, holds=True))
    result = calls.call(machine, positional[0], positional[1:], dict(keywords), site)
    machine.guard = before
    return result


def _note(machine: Machine, name: str, site: Site) -> None:
    tests = rank_tests.passed(machine)
    if tests:
        machine.events.collectives.append(
            CollectiveEvent(site, name.rpartition(".")[2], machine.guard, machine.entry, tests)
        )


def _concerns(machine: Machine, collective: Collective, models: tuple[Value, ...]) -> bool:
    if not collective.when:
        return True
    wrapped = {kind for model in models for _, plain in alternatives(model) for kind in _wrapped_in(machine, plain, 0)}
    sharded = "fully_shard" in collective.when and any(
        event.wrapper == "fully_shard" and event.run == machine.run for event in machine.events.wraps
    )
    return sharded or not wrapped.isdisjoint(collective.when)


def _wrapped_in(machine: Machine, value: Value, depth: int) -> list[str]:
    """The kinds of the wrappers around a module, outermost first."""
    if not isinstance(value, Ref) or depth > _DEEPEST:
        return []
    info = machine.info(value)
    if info.wrapper is None:
        return []
    inner = machine.get(value, info.token or "module")
    below = (
        [kind for _, plain in alternatives(inner) for kind in _wrapped_in(machine, plain, depth + 1)] if inner else []
    )
    return [info.wrapper.kind, *below]
