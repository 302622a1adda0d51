"""The conditions of a writer and of a reader, held together.

    if args.parallel: model = DataParallel(model)       the writer's:  args.parallel,  prefix "module."
    ...
    if "model" in ckpt: ...                             the reader's:  the file has "model",  the file's prefix is ""

What the reader asks about the file is decided by what the writer puts there. What both ask about the model binds both;
what belongs to the machine (`torch.cuda.device_count() > 1`) is another thing on each side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from ckptlint.analysis import asked_keys
from ckptlint.analysis.events import ApplyEvent, SaveEvent
from ckptlint.analysis.evidence import plain_symbol
from ckptlint.analysis.guards import Guard, Literal, not_all
from ckptlint.analysis.symbols import is_environment
from ckptlint.analysis.values import Site

_PREFIX_SYMBOL = re.compile(r"^prefix of file (\d+) (.*)$")
_HAS_SYMBOL = re.compile(r"^file (\d+) has (.*)$")
_BEGINS_SYMBOL = re.compile(r"^file (\d+) begins with (\S+) in (.*)$")


def settled(guard: Guard, file: int, prefix: str, entry: str, named: set[str], extra: tuple[str, ...]) -> Guard | None:
    """The guard without what the writer decides: which prefix, which entries and which first key the file has.

    None when the writer's file is not such a file, or when nobody can tell: see `asked_keys`.
    """
    left: list[Literal] = []
    for literal in guard:
        if any(file in asked_keys.files_in(one.symbol) for one in (literal, *literal.parts)):
            return None
        match = _PREFIX_SYMBOL.match(literal.symbol)
        if match is not None and int(match.group(1)) == file:
            if match.group(2) == entry and not literal.accepts(prefix):
                return None
            continue
        match = _HAS_SYMBOL.match(literal.symbol)
        if match is not None and int(match.group(1)) == file:
            if not literal.accepts(match.group(2) in named):
                return None
            continue
        match = _BEGINS_SYMBOL.match(literal.symbol)
        if match is not None and int(match.group(1)) == file:
            if match.group(3) == entry and not literal.accepts(match.group(2) in extra):
                return None
            continue
        left.append(literal)
    return frozenset(left)


def writer_guards(save: SaveEvent) -> Iterator[Guard]:
    """The conditions under which a writer's state dicts are written."""
    return (save.guard | part.guard for part in save.parts if part.content is not None)


def reader_guards(apply: ApplyEvent) -> Iterator[Guard]:
    """The conditions under which a reader's models are loaded into."""
    return (apply.guard | target.guard for target in apply.targets)


def deciding_symbols(guards: Iterable[tuple[Site, Guard]]) -> dict[Site, frozenset[str]]:
    """For each place the symbols that it is reached with both ways: they tell one model from another.

    What is the same in all cases of a place only says how one gets there (`args.evaluate`), and does not bind the
    other side.
    """
    literals: dict[Site, set[Literal]] = {}
    for site, guard in guards:
        found = literals.setdefault(site, set())
        found.update(guard)
        found.update(~part for literal in guard for part in literal.parts)
    return {
        site: frozenset(plain_symbol(literal.symbol) for literal in found if ~literal in found)
        for site, found in literals.items()
    }


@lru_cache(maxsize=1 << 12)
def elsewhere(guard: Guard, deciding: frozenset[str]) -> Guard:
    """The writer's conditions as the reader's run sees them: what belongs to the machine is another symbol there."""
    return _renamed(guard, deciding, _name_elsewhere)


@lru_cache(maxsize=1 << 12)
def binding(guard: Guard, deciding: frozenset[str]) -> Guard:
    """The reader's conditions, as far as they bind the writer's run."""
    return _renamed(guard, deciding, plain_symbol)


def _renamed(guard: Guard, deciding: frozenset[str], name: Callable[[str], str]) -> Guard:
    """What the guard says of the deciding symbols, under other names."""
    left: list[Literal] = []
    for literal in guard:
        if literal.parts:
            parts = _renamed(frozenset(literal.parts), deciding, name)
            whole = len(parts) == len(literal.parts) and not literal.negated
            left += [not_all(parts)] if whole else []
        elif plain_symbol(literal.symbol) in deciding:
            left.append(Literal(name(literal.symbol), literal.op, literal.constant, literal.negated))
    return frozenset(left)


def _name_elsewhere(symbol: str) -> str:
    if is_environment(symbol) or "<object" in symbol or symbol.startswith(("exception", "a load", "file ", "prefix ")):
        return "writer: " + symbol
    return plain_symbol(symbol)
