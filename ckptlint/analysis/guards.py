"""Conditions under which a value holds.

The machine runs both branches of an `if` whose test it cannot decide, and joins what they leave behind. So that nothing
is lost in the join, each value keeps its *guard*: the literals that must hold for it.

    if args.parallel:                     model is  Choice(bare    if not args.parallel,
        model = DataParallel(model)                        wrapped if args.parallel)
    ...
    if args.parallel:                     under the path condition `args.parallel` only the second is left,
        sd = model.module.state_dict()    so `.module` is safe here

A literal speaks of one *symbol*: a name for a value that is not known but stays the same ("args.parallel",
"torch.cuda.device_count()"). A guard is a conjunction, a frozenset of literals. It is satisfiable when for every symbol
some sample value satisfies all its literals; samples are taken from the constants that the literals mention and their
neighbours, which decides everything that comparisons with constants can say (`n > 1` against `n >= 1`).

What comes after `if a: if b: return` holds unless both a and b do. That is one literal as well, of the op "not all",
whose constant are the literals that do not all hold: see `covering`. And where a test holds for several prefixes that a
file may have, that is one literal of the op "in", whose constant are these prefixes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TypeAlias

import msgspec

ConstantValue: TypeAlias = bool | int | float | str | None

NOT_ALL = "not all"
IN = "in"

#: What the symbol of the prefix of a file begins with.
PREFIX_OF_FILE = "prefix of file "

#: A disjunction of more cases than this, or one that leaves out more than this together, is not followed.
_MOST_CASES = 4

#: These speak of a file or of single keys, and are settled one by one.
_ALONE = ("key ", "prefix of file", "file ", "exception", "a load", "case at")

#: A guard with more literals forgets the oldest names first: a weaker condition, never a wrong one.
MOST_LITERALS = 20


class Literal(msgspec.Struct, frozen=True, cache_hash=True):
    """`symbol op constant` holds (or, negated, does not).

    `op` is "truthy", "==", "<", "<=", ">", ">=", "is", "in" or "not all".
    """

    symbol: str
    op: str
    constant: ConstantValue | tuple[ConstantValue, ...] | tuple[Literal, ...] = None
    negated: bool = False

    def __lt__(self, other: Literal) -> bool:
        return self.order < other.order

    @property
    def parts(self) -> tuple[Literal, ...]:
        """Of a "not all" the literals; of any other literal none."""
        if self.op != NOT_ALL or not isinstance(self.constant, tuple):
            return ()
        return tuple(part for part in self.constant if isinstance(part, Literal))

    @property
    def order(self) -> tuple[str, str, str, bool]:
        """Any order that is always the same; constants of different types can't be compared themselves."""
        return (self.symbol, self.op, repr(self.constant), self.negated)

    def __invert__(self) -> Literal:
        """The opposite literal."""
        return Literal(self.symbol, self.op, self.constant, not self.negated)

    def accepts(self, sample: object) -> bool:
        """Whether the literal holds when its symbol has the value `sample`."""
        return _holds(self.op, sample, self.constant) is not self.negated


Guard: TypeAlias = frozenset[Literal]
ALWAYS: Guard = frozenset()
_ORDER = attrgetter("order")


class _Other:
    """A sample that is none of the constants: truthy, comparable with nothing."""


_OTHER = _Other()


def _holds(op: str, sample: object, constant: object) -> bool:
    if op == "truthy":
        return bool(sample)
    if op == "is":
        return sample is constant or (isinstance(sample, bool) and sample == constant and isinstance(constant, bool))
    if op == "==":
        return type(sample) is not _Other and sample == constant
    if op == IN:
        return isinstance(constant, tuple) and type(sample) is not _Other and sample in constant
    if isinstance(sample, (int, float)) and isinstance(constant, (int, float)):
        if op == "<":
            return sample < constant
        if op == "<=":
            return sample <= constant
        if op == ">":
            return sample > constant
        return sample >= constant
    return False


def _samples(literals: Iterable[Literal]) -> list[object]:
    ordered = any(literal.op in ("<", "<=", ">", ">=") for literal in literals)
    samples: list[object] = [] if ordered else [_OTHER, None, True, False, "", "?"]
    for literal in literals:
        constant = literal.constant
        if literal.op == "truthy":
            samples += [0, 1]
        elif isinstance(constant, tuple):
            samples += constant
        elif isinstance(constant, (int, float)) and not isinstance(constant, bool):
            samples += [constant, constant - 1, constant + 1, constant - 0.5, constant + 0.5]
        else:
            samples.append(constant)
    return samples


#: torch defines `is_available` so: where there is no device, there are not two of them either.
_SAME_AS = {
    "torch.cuda.is_available()": ("torch.cuda.device_count()", ">", 0),
    "torch.xpu.is_available()": ("torch.xpu.device_count()", ">", 0),
}


def _in_other_words(literal: Literal) -> Literal:
    """The literal as torch defines it."""
    same = _SAME_AS.get(literal.symbol) if literal.op == "truthy" else None
    return literal if same is None else Literal(*same, literal.negated)


def satisfiable(guard: Guard) -> bool:
    """Whether some setting of the symbols makes every literal true."""
    if len(guard) < 2:
        return True
    compounds = [literal for literal in guard if literal.op == NOT_ALL]
    if not compounds:
        return _all_agree(guard)
    plain = guard.difference(compounds)
    plain |= {part for literal in compounds if literal.negated for part in literal.parts}
    return _all_agree(plain) and _satisfiable(plain, [one for one in compounds if not one.negated])


def _satisfiable(plain: Guard, compounds: list[Literal]) -> bool:
    """Whether, besides `plain`, of each compound some part can be false.

    A compound of which a part is free, since nothing else speaks of its symbol, can be left out; so most are.
    """
    left = _without_free(plain, compounds)
    if not left:
        return True
    first, *rest = left
    for part in first.parts:
        more = plain | {~part}
        if _all_agree(more) and _satisfiable(more, rest):
            return True
    return False


def _without_free(plain: Guard, compounds: list[Literal]) -> list[Literal]:
    left = compounds
    while left:
        counts = Counter(symbol for one in left for symbol in symbols_of(frozenset((one,))))
        settled = symbols_of(plain)
        kept = [
            one
            for one in left
            if not any(
                ~part in plain or ((symbol := _plain_symbol(part)) not in settled and counts[symbol] == 1)
                for part in one.parts
            )
        ]
        if len(kept) == len(left):
            break
        left = kept
    return left


def _plain_symbol(literal: Literal) -> str:
    return _in_other_words(literal).symbol if literal.symbol in _SAME_AS else literal.symbol


def _all_agree(guard: Guard) -> bool:
    return all(_agree(literals) for literals in _by_symbol(guard).values() if len(literals) > 1)


def _ways(literal: Literal) -> tuple[Guard, ...]:
    """The literal as a disjunction of guards."""
    if literal.op != NOT_ALL:
        return (frozenset((literal,)),)
    if literal.negated:
        return (frozenset(literal.parts),)
    return tuple(frozenset((~part,)) for part in literal.parts)


@lru_cache(maxsize=1 << 12)
def _by_symbol(guard: Guard) -> dict[str, Guard]:
    """The literals of a guard by what they speak of, in torch's own words."""
    grouped: dict[str, Guard] = {}
    for literal in guard:
        plain = _in_other_words(literal) if literal.symbol in _SAME_AS else literal
        grouped[plain.symbol] = grouped.get(plain.symbol, ALWAYS) | {plain}
    return grouped


@lru_cache(maxsize=1 << 14)
def _agree(literals: Guard) -> bool:
    """Whether some value satisfies all literals, which are about one symbol. The same few meet again and again."""
    if all(literal.op == "==" for literal in literals):
        # `a != "x"` and `a != "y"` and `a == "z"`: by far the most common, one for each branch of a long elif
        wanted = {literal.constant for literal in literals if not literal.negated}
        refused = {literal.constant for literal in literals if literal.negated}
        return len(wanted) <= 1 and not wanted & refused
    return any(all(literal.accepts(sample) for literal in literals) for sample in _samples(literals))


def both(left: Guard, right: Guard) -> Guard | None:
    """The conjunction, or None when it cannot hold; either side alone can."""
    if not right or right <= left:
        return left
    if not left or left <= right:
        return right
    return _joined(left, right)


@lru_cache(maxsize=1 << 12)
def _joined(left: Guard, right: Guard) -> Guard | None:
    """`both`, for guards of which neither says all that the other does. The same ones meet again and again."""
    joined = left | right
    if not _compatible(left, right, joined):
        return None
    if len(joined) > MOST_LITERALS:
        joined = frozenset(sorted(joined, key=_ORDER)[:MOST_LITERALS])
    return joined


def _compatible(left: Guard, right: Guard, joined: Guard) -> bool:
    """`satisfiable(joined)`, looking only at what the right side adds and the left side speaks of, too."""
    added = right - left
    shared = symbols_of(left) & symbols_of(added)
    if not shared:
        return True
    if any(literal.op == NOT_ALL for literal in joined):
        return satisfiable(joined)
    ours, theirs = _by_symbol(left), _by_symbol(added)
    return all(_agree(ours[symbol] | theirs[symbol]) for symbol in shared)


@lru_cache(maxsize=1 << 12)
def symbols_of(guard: Guard) -> frozenset[str]:
    """The symbols that a guard speaks of, in torch's own words."""
    plain = [part for literal in guard for part in literal.parts or (literal,)]
    return frozenset(map(_plain_symbol, plain))


def implied(guard: Guard, by: Guard) -> Guard:
    """The literals of `guard` that `by` does not already say."""
    return guard - by


def negation(cases: Iterable[Guard]) -> tuple[Guard, ...]:
    """The cases in which none of `cases` holds, as a disjunction of guards.

    not (a and b or c)  ->  (not a and not c) or (a and not b and not c)
    """
    left: list[Guard] = [ALWAYS]
    for case in cases:
        broken: list[Guard] = []
        kept: Guard = ALWAYS
        for literal in sorted(case, key=_ORDER):
            broken += [kept | way for way in _ways(~literal)]
            kept = kept | {literal}
        left = [joined for one in left for other in broken if (joined := both(one, other)) is not None]
    return tuple(dict.fromkeys(left))


def covering(cases: Sequence[Guard]) -> Guard:
    """One guard for a disjunction: exact where what is left out is one conjunction, else what all cases share.

    (a and not b) or not a  ->  not all of (a, b)
    """
    if len(cases) == 1:
        return cases[0]
    common = frozenset.intersection(*cases) if cases else ALWAYS
    if len(cases) > 1 and (several := _one_of_several([case - common for case in cases])) is not None:
        return common | {several}
    if not 2 <= len(cases) <= _MOST_CASES or not all(cases) or _are_alone(cases):
        return common
    left_out = negation(case - common for case in cases)
    if len(left_out) != 1 or not 2 <= len(left_out[0]) <= _MOST_CASES:
        return common
    return common | {not_all(left_out[0])}


def _one_of_several(cases: Sequence[Guard]) -> Literal | None:
    """The literal for cases that all say which prefix it is, or which ones it is not.

    p == "a" or p == "b"                         ->  p in ("a", "b")
    p == "c" or (p != "a" and p != "b" and ...)  ->  p not in ("a", "b")
    """
    symbol = next((literal.symbol for case in cases for literal in case), "")
    if not symbol.startswith(PREFIX_OF_FILE):
        return None
    if not all(case and all((one.symbol, one.op) == (symbol, "==") for one in case) for case in cases):
        return None
    ordered = (one for case in cases for one in sorted(case, key=_ORDER))
    named = dict.fromkeys(one.constant for one in ordered if not isinstance(one.constant, tuple))
    refused = tuple(value for value in named if not _accepted(value, cases))
    if not _accepted(_OTHER, cases):
        return Literal(symbol, IN, tuple(value for value in named if value not in refused))
    return Literal(symbol, IN, refused, negated=True) if refused else None


def _accepted(sample: object, cases: Sequence[Guard]) -> bool:
    return any(all(one.accepts(sample) for one in case) for case in cases)


def not_all(guard: Guard) -> Literal:
    """The literal that says that the guard does not hold."""
    parts = tuple(sorted(part for literal in guard for part in literal.parts or (literal,)))
    return Literal(" and ".join(" ".join(map(str, part.order)) for part in parts), NOT_ALL, parts)


def _are_alone(cases: Iterable[Guard]) -> bool:
    return any(symbol.startswith(_ALONE) for case in cases for symbol in symbols_of(case))
