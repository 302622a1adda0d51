"""State dicts that reach a file, with what they carry: prefixes of wrappers, tensors of losses.

The same `.state_dict()` call can be run under several conditions and reach several files. All of that is gathered by
the place of the call, since that is where a finding belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis.events import SavedPart, SaveEvent
from ckptlint.analysis.fit import keys_of
from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.values import Content, Shape, Site, WrapperMark

#: AveragedModel is meant to be saved with its prefix and count: swa_utils.update_bn and its own loads expect them.
_MEANT = ("AveragedModel",)


class Prefixed(msgspec.Struct, frozen=True):
    """A place where a state dict is taken and later saved with the token of a wrapper in its keys.

    `yes` and `no` are the conditions under which the token is there and is not; `path` is the part of the key in front
    of it, for a wrapped child; `keys` are examples.
    """

    origin: Site
    token: str
    marks: tuple[WrapperMark, ...]
    path: str
    keys: tuple[str, ...]
    yes: tuple[Guard, ...]
    no: tuple[Guard, ...]
    saves: tuple[Site, ...]


def prefixed(saves: Iterable[SaveEvent], token: str) -> Iterator[Prefixed]:
    """All places where a state dict is saved with `token` in its keys."""
    cases: dict[Site, list[tuple[SaveEvent, SavedPart, Content]]] = {}
    for save in saves:
        if save.implied:
            continue
        for part in save.parts:
            if part.content is not None and part.content.shape is not None and not part.content.piece:
                cases.setdefault(part.content.origin, []).append((save, part, part.content))
    for origin, group in cases.items():
        found = _of_place(origin, group, token)
        if found is not None:
            yield found


def _of_place(origin: Site, group: list[tuple[SaveEvent, SavedPart, Content]], token: str) -> Prefixed | None:
    yes: list[Guard] = []
    no: list[Guard] = []
    marks: dict[WrapperMark, None] = {}
    path = ""
    keys: tuple[str, ...] = ()
    sites: dict[Site, None] = {}
    for save, part, content in group:
        assert content.shape is not None
        guard = both(save.guard, part.guard) or part.guard
        carried = list(_carried(content, token))
        if not carried:
            no += [guard] if content.shape.known else []
            continue
        yes.append(guard)
        sites[save.site] = None
        for where, mark in carried:
            marks[mark] = None
            if not keys:
                path, keys = where, tuple(_examples(content, where))
    if not yes:
        return None
    return Prefixed(
        origin, token, tuple(marks), path, keys, tuple(dict.fromkeys(yes)), tuple(dict.fromkeys(no)), tuple(sites)
    )


def _carried(content: Content, token: str) -> Iterator[tuple[str, WrapperMark]]:
    """The wrappers with that token whose mark is still in the keys: (what stands before it in the key, the mark)."""
    shape = content.shape
    assert shape is not None
    if token in content.prefix.split("."):
        for mark in shape.wrappers:
            if mark.token == token and mark.wrapper not in _MEANT:
                yield ("", mark)
    yield from _below(shape, content.prefix, token, content.emptied, 0)


def _below(
    shape: Shape, path: str, token: str, emptied: frozenset[str], depth: int
) -> Iterator[tuple[str, WrapperMark]]:
    if depth > 6 or any(token in text for text in emptied):
        return
    for name, child in shape.children:
        here = f"{path}{name}."
        for mark in child.wrappers:
            if mark.token == token and mark.wrapper not in _MEANT:
                yield (here, mark)
        yield from _below(child, here + child.prefix, token, emptied, depth + 1)


def _examples(content: Content, where: str) -> list[str]:
    assert content.shape is not None
    names, _ = keys_of(content.shape, content.prefix)
    return [name for name in names if name.startswith(where)][:3]


class LeakedLoss(msgspec.Struct, frozen=True):
    """A loss with tensors that is saved with a model: where it is registered, its path and keys, and when.

    `shapes` are the trees of names that were seen there with tensors.
    """

    site: Site
    path: str
    keys: tuple[str, ...]
    yes: tuple[Guard, ...]
    no: tuple[Guard, ...]
    maybe: bool
    source: Site | None
    saves: tuple[Site, ...]
    by: str
    shapes: tuple[Shape, ...] = ()


def leaked_losses(saves: Iterable[SaveEvent]) -> Iterator[LeakedLoss]:
    """Losses with tensors inside what is saved, the outermost one of each branch, by where they are registered."""
    found: dict[Site, list[tuple[SaveEvent, Guard, str, Shape | None]]] = {}
    for save in saves:
        for part in save.parts:
            shape = part.content.shape if part.content is not None else part.module
            if shape is None or (part.content is not None and part.content.partial):
                continue
            prefix = part.content.prefix if part.content is not None else shape.prefix
            guard = both(save.guard, part.guard) or part.guard
            for site, path, loss in _losses(shape, prefix, 0):
                found.setdefault(site, []).append((save, guard, path, loss))
    for site, group in found.items():
        yes = [(save, guard, path, loss) for save, guard, path, loss in group if loss is not None and _state(loss)]
        if not yes:
            continue
        _, _, path, loss = yes[0]
        assert loss is not None
        no = [guard for _, guard, _, one in group if one is None or not _state(one)]
        names, _ = keys_of(loss, path)
        yield LeakedLoss(
            site,
            path,
            tuple(names[:3]),
            tuple(dict.fromkeys(guard for _, guard, _, _ in yes)),
            tuple(dict.fromkeys(no)),
            any(_unsure(one) for _, _, _, one in yes if one is not None),
            loss.source,
            tuple(dict.fromkeys(save.site for save, _, _, _ in yes)),
            next((save.implied for save, _, _, _ in yes if save.implied), ""),
            tuple(dict.fromkeys(one for _, _, _, one in yes if one is not None)),
        )


def _losses(shape: Shape, path: str, depth: int) -> Iterator[tuple[Site, str, Shape]]:
    if depth > 6 or shape.loss:
        return
    for name, child in shape.children:
        here = f"{path}{name}.{child.prefix}"
        if child.loss and child.site is not None:
            yield (child.site, here, child)
        elif not child.tensor:
            yield from _losses(child, here, depth + 1)


def _state(loss: Shape) -> bool:
    """Whether the loss brings tensors that are not learned: a weight, a buffer. Learned ones belong in the file."""
    tensors = list(_tensors(loss, 0))
    return bool(tensors) and "parameter" not in tensors


def _tensors(shape: Shape, depth: int) -> Iterator[str]:
    if depth > 6:
        return
    for _, child in shape.children:
        if child.tensor:
            yield child.tensor
        else:
            yield from _tensors(child, depth + 1)


def _unsure(loss: Shape) -> bool:
    return "maybe" in list(_tensors(loss, 0))
