"""The smallest edit of keys that makes a state dict fit a model.

    file   module.conv.weight (8, 3, 3, 3), module.fc.weight (1000, 8), module.criterion.weight (1000,)
    model  conv.weight (8, 3, 3, 3), fc.weight (10, 8)
    ->     strip "module.", drop "criterion.*" and "fc.weight" (a head of another size)

Candidates are proposed from several sides (prefixes that wrappers write, renamings that shapes and the ends of keys
suggest, the same with layer numbers taken as one, parts of keys that the model does not know), and every one is tried:
what it really leaves missing and unexpected decides, never how it was found. The one that restores most wins, among
equals the one with the fewest edits. What then still has no place in the model is dropped.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ckptlint.checkpoint.key_edits import KeyEdits, KeyPlan
from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.model_fit import Fit, Member, fit
from ckptlint.checkpoint.observe import WRAPPER_PREFIXES, wrapper_prefix
from ckptlint.checkpoint.renames import Rename, infer_renames
from ckptlint.checkpoint.summary import plain_name

_MAX_EDITS = 12
_MAX_KEYS = 10_000  # beyond ten times those of the model
_MAX_NESTED = 4


class Mend(NamedTuple):
    """An edit that was tried: what becomes of each key, and how the result fits.

    `reshaped` are the tensors that are dropped because the model has another shape for them: new key -> the two
    members. `restored` and `total` count elements of the model.
    """

    edits: KeyEdits
    plan: KeyPlan
    fit: Fit
    reshaped: dict[str, tuple[Member, Member]]
    restored: int
    total: int

    @property
    def strict(self) -> bool:
        """Whether a strict load accepts the mended keys."""
        return self.fit.strict

    @property
    def size(self) -> tuple[int, int]:
        """How much there is to type, for choosing between mends that restore as much."""
        edits = self.edits
        words = [*edits.strip, *edits.drop, *(text for pair in edits.rename for text in pair), edits.add]
        count = len(edits.strip) + len(edits.drop) + len(edits.rename) + bool(edits.add)
        return count, sum(map(len, words))


def find_mend(file: Mapping[str, Member], model: Mapping[str, Member]) -> Mend | None:
    """The smallest mend; None where none is needed, or none restores half of the model."""
    if fit(file, model).strict or len(file) > _MAX_KEYS + 10 * len(model):
        return None
    total = sum(member.numel for member in model.values())
    tried = {edits: _try(edits, file, model, total) for edits in _candidates(file, model)}
    found = [mend for mend in tried.values() if mend is not None and mend.edits != KeyEdits()]
    as_it_is = _restored(fit(file, model), model)
    useful = [
        mend
        for mend in found
        if 2 * mend.restored >= total
        and mend.fit.fitting
        and (mend.strict or mend.restored > as_it_is or mend.reshaped)
        and mend.size[0] <= _MAX_EDITS
    ]
    return min(useful, key=lambda mend: (-mend.restored, not mend.strict, mend.size), default=None)


def renamed(file: Mapping[str, Member], plan: KeyPlan) -> dict[str, Member]:
    """The state dict after a plan."""
    return {new: member for key, member in file.items() if (new := plan.names[key]) is not None}


def mend_lines(mend: Mend) -> Iterator[str]:
    """What the mend does, in words."""
    edits = mend.edits
    for prefix in edits.strip:
        inside = [WRAPPER_PREFIXES[part] for part in prefix.rstrip(".").split(".") if part in WRAPPER_PREFIXES]
        because = f" (saved from {' around '.join(inside)})" if inside else ""
        yield f"strip {plain_name(prefix)!r} off the keys{because}"
    for old, new in edits.rename:
        yield f"rename {plain_name(old)} to {plain_name(new) or 'nothing'}"
    if edits.add:
        yield f"put {plain_name(edits.add)!r} in front of the keys"
    if edits.drop:
        yield f"drop {', '.join(plain_name(pattern) for pattern in edits.drop)}"
    if mend.reshaped:
        key, (ours, theirs) = next(iter(mend.reshaped.items()))
        head = _head(mend.reshaped)
        other = (
            f"a head of another size: build the model with {head[0]:,} outputs to keep it, or train the new one"
            if head
            else "it is left as the model makes it"
        )
        yield f"{plain_name(key)} is {ours.shape} in the file and {theirs.shape} in the model: {other}"


def _head(reshaped: Mapping[str, tuple[Member, Member]]) -> tuple[int, int] | None:
    """The old and the new number of outputs, where that is all that differs."""
    sizes: set[tuple[int, int]] = set()
    for ours, theirs in reshaped.values():
        if not ours.shape or not theirs.shape or ours.shape[1:] != theirs.shape[1:]:
            return None
        sizes.add((ours.shape[0], theirs.shape[0]))
    return sizes.pop() if len(sizes) == 1 else None


def _restored(found: Fit, model: Mapping[str, Member]) -> int:
    return sum(model[key].numel for key in found.fitting)


def _try(base: KeyEdits, file: Mapping[str, Member], model: Mapping[str, Member], total: int) -> Mend | None:
    """Apply the edits, drop what then has no place in the model, and see how it fits; None where keys collide.

    None too where there is more to type than anyone would: each pattern is held against each key, so that thousands of
    both would take minutes to find what nobody wants.
    """
    if len(base.strip) + len(base.rename) > _MAX_EDITS:
        return None
    try:
        plan = base.plan(file)
        after = renamed(file, plan)
        first = fit(after, model)
        reshaped = {key: (after[key], model[key]) for key in first.mismatched}
        outside = {*first.unexpected, *first.mismatched}
        unwanted = [key for key, new in plan.names.items() if new in outside]
        kept = [key for key, new in plan.names.items() if new not in outside]
        drops = _drops(base, unwanted, kept)
        if len(drops) > _MAX_EDITS:
            return None
        edits = base._replace(drop=drops)
        plan = edits.plan(file) if unwanted else plan
    except BadCheckpoint:
        return None
    found = fit(renamed(file, plan), model)
    if found.unexpected or found.mismatched:
        return None
    return Mend(edits, plan, found, reshaped, _restored(found, model), total)


def _drops(base: KeyEdits, unwanted: list[str], kept: list[str]) -> tuple[str, ...]:
    """Shell patterns for the keys to drop that match none of those that are kept: whole modules where possible."""
    if not unwanted:
        return ()
    stay = {_stripped(base, key) for key in kept}
    inner = {prefix for key in stay for prefix in _above(key)}
    patterns: dict[str, None] = {}
    for key in unwanted:
        name = _stripped(base, key)
        whole = next((prefix for prefix in _above(name) if prefix not in inner), None)
        patterns[_escaped(whole) + ".*" if whole is not None else _escaped(name)] = None
    return _folded(list(patterns), stay | set(kept))


def _folded(patterns: list[str], stay: set[str]) -> tuple[str, ...]:
    """`layers.0.extra`, `layers.1.extra` -> `layers.*.extra`, where that hits nothing else."""
    groups: dict[str, list[str]] = {}
    for pattern in patterns:
        groups.setdefault(re.sub(r"(?<![^.])\d+(?![^.])", "*", pattern), []).append(pattern)
    if len(groups) > _MAX_EDITS:
        return tuple(patterns)  # too many, whatever folds
    made: list[str] = []
    for wide, members in groups.items():
        hits = re.compile(fnmatch.translate(wide))
        alone = len(members) == 1 or any(hits.match(key) for key in stay)
        made += members if alone else [wide]
    return tuple(made)


def _above(key: str) -> list[str]:
    """The modules that a key lies in, the outermost first: `a.b.weight` -> `a`, `a.b`."""
    parts = key.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _escaped(text: str) -> str:
    return re.sub(r"[*?\[]", r"[\g<0>]", text)


def _stripped(edits: KeyEdits, key: str) -> str:
    for prefix in edits.strip:
        key = key.removeprefix(prefix)
    return key


def _candidates(file: Mapping[str, Member], model: Mapping[str, Member]) -> Iterator[KeyEdits]:
    """Edits that might do, without drops."""
    yield KeyEdits()
    starts = {wrapper_prefix(key) for key in file} - {""}
    for prefix in starts:
        yield KeyEdits(strip=(prefix,))
        parts = prefix.split(".")[:-1]
        for length in range(1, len(parts)):  # the model has the inner wrapper itself
            yield KeyEdits(strip=(".".join(parts[:length]) + ".",))
            yield KeyEdits(rename=((prefix.rstrip("."), ".".join(parts[length:])),))
    for prefix in {wrapper_prefix(key) for key in model} - {""}:
        yield KeyEdits(add=prefix)
        for start in starts:
            yield KeyEdits(strip=(start,), add=prefix)
    yield from _without_parts(file, model)
    ours = {key: member.shape for key, member in file.items()}
    theirs = {key: member.shape for key, member in model.items()}
    rules = infer_renames(ours, theirs)
    for length in range(1, min(len(rules), _MAX_EDITS) + 1):
        yield _compiled(rules[:length], file)
    numbered = infer_renames(_templates(ours), _templates(theirs))
    for length in range(1, min(len(numbered), _MAX_EDITS) + 1):
        yield _compiled(numbered[:length], file)
    for strip in {rule.old for rule in rules if rule.old and not rule.new}:
        yield KeyEdits(strip=(strip,))
    for add in {rule.new for rule in rules if rule.new and not rule.old}:
        yield KeyEdits(add=add)


def _without_parts(file: Mapping[str, Member], model: Mapping[str, Member]) -> Iterator[KeyEdits]:
    """Take out, wherever it stands, a part that the keys of the model do not have: `layers.0._orig_mod.fc.weight`."""
    known = {part for key in model for part in key.split(".")}
    counts: dict[str, int] = {}
    deepest: dict[str, int] = {}
    for key in file:
        parts = key.split(".")[:-1]
        for part in dict.fromkeys(parts):
            if part not in known and not part.isdecimal():
                counts[part] = counts.get(part, 0) + 1
                deepest[part] = max(deepest.get(part, 0), parts.count(part))
    likely = sorted(counts, key=lambda part: (part not in WRAPPER_PREFIXES, -counts[part]))[:8]
    made = [(part, _take_out(part, deepest[part], file)) for part in likely]
    for _, edits in made:
        yield edits
    wrappers = [edits for part, edits in made if part in WRAPPER_PREFIXES]
    if len(wrappers) > 1:
        strips = tuple(dict.fromkeys(prefix for edits in wrappers for prefix in edits.strip))
        yield KeyEdits(strip=strips, rename=tuple(pair for edits in wrappers for pair in edits.rename))


def _take_out(part: str, times: int, file: Mapping[str, Member]) -> KeyEdits:
    strip = (f"{part}.",) if any(key.startswith(f"{part}.") for key in file) else ()
    inside = any(f".{part}." in key for key in file)
    pair = (f"*.{_plain_stars(part)}.*", "*.*")
    return KeyEdits(strip=strip, rename=(pair,) * min(times, _MAX_NESTED) if inside else ())


def _plain_stars(part: str) -> str:
    return part.replace("*", "")  # a star cannot be said in a rename; what does not fit then is not chosen


def _templates(facts: Mapping[str, tuple[int, ...] | None]) -> dict[str, tuple[object, ...]]:
    """Keys with `#` for numbers -> what they stand for: the numbers, and the shape that goes with each."""
    found: dict[str, list[tuple[tuple[int, ...], str]]] = {}
    for key, shape in facts.items():
        parts = key.split(".")
        numbers = tuple(int(part) for part in parts if _is_number(part))
        template = ".".join("#" if _is_number(part) else part for part in parts)
        found.setdefault(template, []).append((numbers, repr(shape)))
    return {template: tuple(sorted(members)) for template, members in found.items()}


def _is_number(part: str) -> bool:
    return part.isdecimal() and part.isascii() and len(part) < 10


def _compiled(rules: list[Rename], file: Mapping[str, Member]) -> KeyEdits:
    """Rules for prefixes as key edits; one that adds a prefix to some keys alone becomes a renaming of their parts."""
    strip = tuple(rule.old for rule in rules if rule.old.endswith(".") and not rule.new and "#" not in rule.old)
    edits = KeyEdits(strip=strip)
    pairs: dict[tuple[str, str], None] = {}
    add = ""
    for rule in rules:
        if rule.old in strip and not rule.new:
            continue
        if not rule.old and len(rules) == 1 and len(rule.keys) == len(file):
            add = rule.new
        elif not rule.old:
            for key, _ in rule.keys:
                first = key.split(".", 1)[0]
                pairs[first, rule.new + first] = None
        else:
            old = _stripped(edits, rule.old).rstrip(".")
            if old:
                pairs[old, rule.new.rstrip(".")] = None
    return edits._replace(add=add, rename=tuple(pairs))
