"""What a dict holds when keys of another state dict come into it.

    own.update(taken)                          all at once
    own[name] = tensor                         one by one, for all keys
    own[name].copy_(tensor)                    the same: the tensor is overwritten where it lies

Where a test asks first whether the name is one that another dict has, only those that it has come in; and into a
model's own state dict they come in the place of its own.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis import key_tests, keys, own_names, picks
from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import (
    NONE,
    Choice,
    Content,
    Key,
    Opaque,
    Ref,
    TensorValue,
    Value,
    alternatives,
    choose,
)

_BULK = "*"


def tensor(machine: Machine, owner: Ref, key: Key) -> Value:
    """`owner[key]`, where `key` stands for all keys of a state dict, of this one or of another."""
    bulk = machine.get(owner, _BULK)
    history = machine.info(owner).history
    own = history is not None and history.own
    cases: list[tuple[Guard, Value]] = []
    for guard, plain in alternatives(bulk) if bulk is not None else ():
        other = isinstance(plain, Content) and (own or (plain.file is not None and plain.origin != key.content.origin))
        content = plain if other and isinstance(plain, Content) else keys.written(key)
        cases.append((guard, TensorValue(content, owner.id, key=key if own or other else None)))
    return choose(cases, "tensor") if cases else TensorValue(keys.written(key), owner.id)


def put(machine: Machine, owner: Ref, index: Key | Choice, value: Value) -> None:
    """`owner[index] = value`, a tensor, where `index` stands for all keys of a state dict, case by case."""
    before = machine.get(owner, _BULK)
    from_files = [
        (guard, plain)
        for guard, plain in alternatives(value)
        if isinstance(plain, TensorValue) and plain.key is not None and plain.content.file is not None
    ]
    if from_files:
        found = [
            (both(guard, inner), _content_of(machine, owner, key, plain.content, before))
            for guard, key in alternatives(index)
            for inner, plain in from_files
        ]
        cases = [(guard, content) for guard, content in found if guard is not None]
        machine.memory.write(owner.id, _BULK, choose(cases, "bulk"))
        return
    if isinstance(index, Key):
        content = _coming(machine, owner, keys.written(index), before)
        filled = before is not None and index.content.file is None and _is_out_of_a_file(before)
        machine.memory.write(owner.id, _BULK, merged(before, content) if before is not None and filled else content)
        return
    cases = [
        (guard, _coming(machine, owner, keys.written(plain), before) if isinstance(plain, Key) else before or NONE)
        for guard, plain in index.alternatives
    ]
    machine.memory.write(owner.id, _BULK, choose(own_names.rejoined(cases), "bulk"))


def copy(machine: Machine, tensors: Value, given: Value) -> None:
    """`own[name].copy_(given)`: into the dicts that the tensors are in."""
    others = {plain.content.origin for _, plain in alternatives(given) if isinstance(plain, TensorValue)}
    into: dict[int, list[tuple[Guard, Value]]] = {}
    for guard, plain in alternatives(tensors):
        if isinstance(plain, TensorValue) and plain.key is not None and others - {plain.content.origin}:
            into.setdefault(plain.holder, []).append((guard, plain.key))
    for holder, found in into.items():
        index = choose(found, "key")
        if isinstance(index, Key | Choice):
            put(machine, Ref(holder), index, given)


def _content_of(machine: Machine, owner: Ref, key: Value, content: Content, before: Value | None) -> Value:
    """What a tensor of a file brings, which was asked for by the keys of another dict: those that the file has."""
    if not isinstance(key, Key) or content.prefix != key.prefix:
        return before or NONE
    return _coming(machine, owner, content, before)


def _coming(machine: Machine, owner: Ref, content: Content, before: Value | None) -> Content:
    """The keys that come in, marked when they are picked and take the place of a model's own."""
    # what `continue` has left behind in the guard holds for each key that gets so far
    content = key_tests.passed(content, key_tests.tests_in(machine.guard))
    held = [plain for _, plain in alternatives(before)] if before is not None else []
    own = [one for one in held if isinstance(one, Content) and one.shape is not None]
    if any(one.origin == content.origin for one in own) or not picks.is_picking(machine, owner):
        return content
    instead = bool(own) and len(own) == len(held)
    return msgspec.structs.replace(content, filtered=True, merged=content.merged or instead)


def _is_out_of_a_file(bulk: Value) -> bool:
    """Whether these are keys of a file, or unknown ones, to which those of a model can only come in addition."""
    return any(
        isinstance(plain, Opaque) or (isinstance(plain, Content) and plain.file) for _, plain in alternatives(bulk)
    )


def merged(before: Value, added: Value) -> Value:
    """The bulk of a dict that gets another's keys: those of elsewhere, picked for the model, take the place of its own.

    A file that this very run has written is elsewhere too.
    """
    picked = [plain for _, plain in alternatives(added) if isinstance(plain, Content) and plain.filtered]
    own = before.origin if isinstance(before, Content) and before.shape is not None else None
    if own is not None and picked and all(one.file or one.origin != own for one in picked):
        cases: list[tuple[Guard, Value]] = [
            (guard, msgspec.structs.replace(plain, merged=True) if isinstance(plain, Content) else before)
            for guard, plain in alternatives(added)
        ]
        return choose(cases, "bulk")
    cases = [
        (guard, msgspec.structs.replace(plain, filtered=True) if isinstance(plain, Content) else plain)
        for guard, plain in alternatives(before)
    ]
    return choose(cases, "bulk")
