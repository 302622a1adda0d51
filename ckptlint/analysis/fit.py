"""Whether the keys of a state dict fit a module, and which do not.

    file     module.conv.weight, module.conv.bias      (prefix "module.", body Net)
    target   conv.weight, conv.bias                    (prefix "", body Net)
    ->  unexpected: module.conv.weight, ...   missing: conv.weight, ...

Two trees of names are walked side by side. Wrappers have to be the same at every node that both know; a loss that has
tensors on one side alone is told too. Where classes differ nothing is said, except when one of them plainly holds the
other (`FullModel(model, loss)` against `model`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ckptlint.analysis import key_tests
from ckptlint.analysis.keys import CUT, left_of
from ckptlint.analysis.values import Content, Shape

_SAMPLES = 400


class Fit(msgspec.Struct, frozen=True):
    """`verdict` is "fits", "differs" or "unknown"; keys are complete when `exact`, else examples.

    `nothing` says that no key at all fits, so that a load that forgives restores nothing.
    """

    verdict: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    exact: bool = False
    nothing: bool = False
    reason: str = ""


FITS = Fit("fits")
VOID = Fit("fits", reason="no keys")
UNKNOWN = Fit("unknown")


def keys_of(shape: Shape, prefix: str) -> tuple[list[str], bool]:
    """The names of the tensors below a node, and whether that is all of them."""
    if shape.tensor:
        return [prefix.removesuffix(".")], True
    names: list[str] = []
    complete = shape.closed and shape.known
    for name, child in shape.children:
        if child.tensor:
            names.append(prefix + name)
            complete = complete and child.tensor != "maybe"
            continue
        below, whole = keys_of(child, prefix + name + "." + child.prefix)
        names += below
        complete = complete and whole
        if len(names) > _SAMPLES:
            return names, False
    return names, complete


def compare(content: Content, body: Shape, target: Shape) -> Fit:
    """The keys of `content`, whose names are those of `body` without the wrappers at its root, against `target`."""
    found = _names_compared(content, body, target)
    if found.verdict == "unknown" or found is VOID or content.piece:
        return found
    missing = tuple(name for name in target.extra if name not in content.extra)
    unexpected = tuple(name for name in content.extra if name not in target.extra)
    if not missing and not unexpected:
        return found
    if found.verdict == "fits":
        return Fit("differs", missing, unexpected, exact=True, reason="inner")
    missing, unexpected = (*missing, *found.missing), (*unexpected, *found.unexpected)
    return msgspec.structs.replace(found, missing=missing, unexpected=unexpected)


def _names_compared(content: Content, body: Shape, target: Shape) -> Fit:
    if not target.known or not body.known:
        return UNKNOWN
    names = key_tests.kept(body, content.tests)
    if body.children and not names.children:
        return VOID
    body = names
    prefix = content.prefix
    if content.piece:
        return _piece(content, body, target)
    if prefix.startswith(CUT):
        rests = left_of(_names(body, ""), prefix)
        return Fit("differs", _names(target, target.prefix), rests, nothing=True, reason="cut")
    eaten = [name for name, child in body.children if f"{name}." in content.emptied and not child.tensor]
    if eaten and content.prefix == target.prefix:
        return _eaten(content, body, target, eaten[0])
    if prefix != target.prefix:
        return _prefixes(body, prefix, target)
    nested = _nested(body, target, prefix)
    if nested is not None:
        return nested
    if body.identity and target.identity and body.identity != target.identity:
        return UNKNOWN if _differ(body, target) else FITS
    missing: list[str] = []
    unexpected: list[str] = []
    for kind, name in _differences(body, target, prefix, content.emptied):
        (missing if kind == "missing" else unexpected).append(name)
    if not missing and not unexpected:
        return FITS
    if content.partial and not unexpected:
        return UNKNOWN
    return Fit("differs", tuple(missing), tuple(unexpected), reason="inner")


def _piece(content: Content, body: Shape, target: Shape) -> Fit:
    """The keys of one part of the model, whose beginning stands in the prefix, against the same part of the target."""
    name = content.piece.removesuffix(".")
    part, wanted = dict(body.children).get(name), dict(target.children).get(name)
    if part is None:
        return VOID
    if content.prefix == target.prefix + content.piece:
        return FITS
    if wanted is None:
        return UNKNOWN
    unexpected = _names(part, content.prefix + part.prefix)
    if content.prefix.startswith(CUT):
        unexpected = left_of(_names(part, content.piece + part.prefix), content.prefix)
    missing = _names(wanted, target.prefix + content.piece + wanted.prefix)
    return Fit("differs", missing, unexpected, nothing=True, reason="inner")


def _eaten(content: Content, body: Shape, target: Shape, name: str) -> Fit:
    """The name of a part of the model was taken out of the keys with the prefix."""
    part, wanted = dict(body.children)[name], dict(target.children).get(name)
    if wanted is None:
        return UNKNOWN
    missing = _names(wanted, f"{target.prefix}{name}.{wanted.prefix}")
    return Fit("differs", missing, _names(part, content.prefix + part.prefix), reason="inner")


def together(found: Sequence[Fit]) -> Fit:
    """What the pieces of one state dict come to."""
    differing = [one for one in found if one.verdict == "differs"]
    if not differing or len(found) == 1:
        return next((one for one in found if one.verdict == "unknown"), found[0])
    # what one piece leaves missing may be among the keys of one that is not known
    unsure = any(one.verdict == "unknown" for one in found)
    missing = dict.fromkeys(name for one in differing for name in one.missing if not unsure)
    untold = any(one.reason == "cut" and not one.unexpected for one in differing)
    unexpected = dict.fromkeys(name for one in differing for name in one.unexpected if not untold)
    return Fit(
        "differs",
        tuple(missing),
        tuple(unexpected),
        exact=all(one.exact for one in differing),
        nothing=len(differing) == len(found) and all(one.nothing for one in differing),
        reason=differing[0].reason,
    )


def wrong_level(entries: tuple[str, ...], target: Shape) -> Fit:
    """A whole checkpoint, with these entries, where the state dict inside it is wanted."""
    return Fit("differs", _names(target, target.prefix), entries, nothing=True, reason="whole file")


def picked(content: Content, body: Shape | None, target: Shape) -> Fit:
    """Keys of which only those that the model has were kept: with another prefix none, and the rest is missing.

    Merged into the model's own state dict nothing is missing either: the load restores nothing and says nothing.
    With the same prefix what the model calls otherwise (a part that is wrapped on one side alone) is missing.
    """
    if content.piece or not target.known:
        return UNKNOWN
    if content.prefix == target.prefix:
        found = UNKNOWN if body is None or content.merged else _names_compared(content, body, target)
        return msgspec.structs.replace(found, unexpected=()) if found.missing else UNKNOWN
    missing = () if content.merged else _names(target, target.prefix)
    return Fit("differs", missing, (), nothing=True, reason="merged" if content.merged else "picked")


def _differ(body: Shape, target: Shape) -> bool:
    return bool(body.children) != bool(target.children) or body.identity != target.identity


def _prefixes(body: Shape, prefix: str, target: Shape) -> Fit:
    unexpected, whole = keys_of(body, prefix)
    missing, complete = keys_of(target, target.prefix)
    common = set(unexpected) & set(missing)
    return Fit(
        "differs",
        tuple(name for name in missing if name not in common),
        tuple(name for name in unexpected if name not in common),
        whole and complete,
        nothing=True,
        reason="prefix",
    )


def _names(shape: Shape, prefix: str) -> tuple[str, ...]:
    return tuple(keys_of(shape, prefix)[0])


def _nested(body: Shape, target: Shape, prefix: str) -> Fit | None:
    """One of the two holds the other as a child: FullModel(model, loss) against model."""
    if not body.identity or not target.identity or body.identity == target.identity:
        return None
    names = dict(target.children)
    for name, child in body.children:
        if child.identity == target.identity and child.children and name not in names and not child.wrappers:
            return Fit("differs", _names(target, prefix), _names(body, prefix), nothing=True, reason=f"inside {name}")
    names = dict(body.children)
    for name, child in target.children:
        if child.identity == body.identity and child.children and name not in names and not child.wrappers:
            return Fit("differs", _names(target, prefix), _names(body, prefix), nothing=True, reason=f"inside {name}")
    return None


def _differences(body: Shape, target: Shape, prefix: str, emptied: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(missing or unexpected, name) below two nodes of one kind."""
    theirs = dict(target.children)
    ours = dict(body.children)
    for name, child in body.children:
        other = theirs.get(name)
        if other is None:
            if child.tensor in ("tensor", "buffer") and body.loss and target.closed:
                yield ("unexpected", prefix + name)
            elif child.loss and target.closed:
                for key in _names(child, prefix + name + "."):
                    yield ("unexpected", key)
            continue
        if child.tensor or other.tensor or not child.known or not other.known:
            continue
        one = _emptied(child.prefix, emptied)
        if one != other.prefix:
            for key in _names(child, f"{prefix}{name}.{one}") or (f"{prefix}{name}.{one}",):
                yield ("unexpected", key)
            for key in _names(other, f"{prefix}{name}.{other.prefix}") or (f"{prefix}{name}.{other.prefix}",):
                yield ("missing", key)
        elif child.identity == other.identity:
            yield from _differences(child, other, f"{prefix}{name}.{one}", emptied)
    for name, other in target.children:
        if name not in ours and body.closed:
            if other.tensor in ("tensor", "buffer") and target.loss:
                yield ("missing", prefix + name)
            elif other.loss and not other.tensor:
                for key in _names(other, prefix + name + "."):
                    yield ("missing", key)


def _emptied(prefix: str, emptied: frozenset[str]) -> str:
    """What `replace(text, "")` leaves of a prefix inside the keys."""
    for text in sorted(emptied):
        prefix = prefix.replace(text, "") if text else prefix
    return prefix
