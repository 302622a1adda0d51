"""Fewer alternatives where there are too many.

A factory with twenty architectures gives twenty modules under twenty conditions; a wrap after it makes twenty wrapped
ones. What matters is that they are bare, or how they are wrapped. So where a join has more than `FEW` alternatives, the
bare modules among them become one module of which nothing is known but that it is bare, and of those that are wrapped
in the same way one stands for all:

    UNet if a == "unet", FCN if a == "fcn", ..., None otherwise   ->   some bare module, or None
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import MODULE, Opaque, Ref, Value, alternatives, choose, merge

#: So many alternatives are kept as they are.
FEW = 6

#: More conditions than this are hardly ever `FEW` in other words, and holding each against each takes long.
_MERGED = 48


def join(machine: Machine, cases: Sequence[tuple[Guard, Value]], name: str) -> Value:
    """`choose`, after making fewer of what is alike."""
    if sum(len(alternatives(value)) for _, value in cases) <= FEW:
        return choose(cases, name)
    groups: dict[object, list[tuple[Guard, Value]]] = {}
    for outer, value in cases:
        for inner, plain in alternatives(value):
            joined = both(outer, inner)
            if joined is not None:
                groups.setdefault(_kind(machine, plain), []).append((joined, plain))
    fewer: list[tuple[Guard, Value]] = []
    for kind, group in groups.items():
        distinct = {plain for _, plain in group}
        if kind is None or len(distinct) < 3:
            fewer += group
            continue
        guards = list({guard: None for guard, _ in group})
        guards = merge(guards) if len(guards) <= _MERGED else guards
        if len(guards) > FEW:
            guards = [frozenset.intersection(*guards)]
        stands_for = _some_module(machine, name, distinct) if kind == () else group[0][1]
        fewer += [(guard, stands_for) for guard in guards]
    chosen = choose(fewer, name)
    if chosen == Opaque(name) and machine.ranks.speak([guard for guard, _ in fewer]):
        return Opaque(f"{name} | rank")  # what it is depends on the process, in ways that are lost here
    return chosen


def _some_module(machine: Machine, name: str, distinct: set[Value]) -> Opaque:
    """One bare module that stands for several."""
    sure = all(isinstance(plain, Ref) and machine.info(plain).kind == "module" for plain in distinct)
    return Opaque(f"{name}@{machine.memory.new_owner()}", fresh=True, kind=MODULE if sure else "")


def _kind(machine: Machine, value: Value) -> object:
    """The chain of wrappers of a module, () for a bare one, None for what is no module."""
    if isinstance(value, Opaque):
        return () if value.fresh else None
    if not isinstance(value, Ref):
        return None
    info = machine.info(value)
    if info.kind not in ("module", "foreign"):
        return None
    if info.wrapper is None:
        return ()
    inner = machine.memory.read(value.id, info.token or "module")
    below = _kind(machine, alternatives(inner)[0][1]) if inner is not None else ()
    return (info.token, *(below if isinstance(below, tuple) else ()))
