"""What names a module gives to its keys: a snapshot of the object tree.

    class Net(nn.Module):                        Shape(children: conv -> (weight, bias)
        def __init__(self):                                     ce   -> (weight) [a loss]
            self.conv = nn.Conv2d(3, 8, 3)             closed, identity "model.py:Net")
            self.ce = nn.CrossEntropyLoss(weight=w)
    DataParallel(Net())                          the same with wrappers (module, ...)

What differs from case to case (a child that is wrapped only on several GPUs) gives several shapes, each under its
guard; children whose cases make too many combinations are left open.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis import classes, modules
from ckptlint.analysis.guards import ALWAYS, Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.objects import ObjectInfo
from ckptlint.analysis.values import (
    NONE,
    ClassValue,
    Const,
    External,
    Opaque,
    Ref,
    Shape,
    Site,
    Value,
    WrapperMark,
    alternatives,
    merge,
)
from ckptlint.knowledge import Wrapper

ShapeCases = list[tuple[Guard, Shape]]

MOST_CASES = 12
_DEEPEST = 12
_TENSOR = Shape(tensor="tensor", closed=True)
_BUFFER = Shape(tensor="buffer", closed=True)
UNKNOWN = Shape(known=False)


def of_value(machine: Machine, value: Value) -> ShapeCases:
    """The shapes of a module value, each under its guard (beyond the present one)."""
    before = machine.guard
    result: ShapeCases = []
    for guard, plain in alternatives(value):
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        for inner, shape in _of_plain(machine, plain, 0, frozenset()):
            together = both(guard, inner)
            if together is not None:
                result.append((together, shape))
    machine.guard = before
    return _merged(result[: 4 * MOST_CASES])[:MOST_CASES] if result else [(ALWAYS, UNKNOWN)]


def _of_plain(machine: Machine, value: Value, depth: int, seen: frozenset[int]) -> ShapeCases:
    if isinstance(value, Opaque):
        holder = machine.opaque_owners.get(value.symbol)
        identity = value.symbol.partition("@")[0]
        if holder is not None and value.fresh:
            children = _children(machine, Ref(holder), depth, seen)
            return [(guard, Shape(children=named, identity=identity)) for guard, named in children]
        return [(ALWAYS, Shape(identity=identity, known=value.fresh))]
    if isinstance(value, Ref) and depth < _DEEPEST and value.id not in seen:
        return _of_object(machine, value, depth, seen | {value.id})
    return [(ALWAYS, UNKNOWN)]


def _of_object(machine: Machine, ref: Ref, depth: int, seen: frozenset[int]) -> ShapeCases:
    info = machine.info(ref)
    if info.kind == "foreign":
        return [(ALWAYS, Shape(identity=modules.class_name(machine, info.cls), source=info.site))]
    if info.kind != "module":
        return [(ALWAYS, UNKNOWN)]
    if info.wrapper is not None:
        return _of_wrapper(machine, ref, depth, seen)
    identity = modules.class_name(machine, info.cls)
    loss = _is_loss(machine, info)
    own = _foundation(machine, info)
    closed = _closed(machine, info)
    result: ShapeCases = []
    for guard, named in _children(machine, ref, depth, seen):
        for inner, tensors in own:
            together = both(guard, inner)
            if together is not None:
                children = (*tensors, *named)
                only = closed and not info.foundation and _only_losses(named) and not _may_hold_more(machine, ref)
                result.append((together, Shape((), children, closed, identity, loss=loss or only, source=info.site)))
    return _merged(result[:MOST_CASES])


def _merged(cases: ShapeCases) -> ShapeCases:
    """Cases that differ in nothing that matters here are one, of which only the common children are known.

    What matters is where wrappers are, and which losses have tensors; whether a block has a downsampling layer, say,
    does not: the same condition holds when a file is written and when it is read.
    """
    by_mark: dict[object, ShapeCases] = {}
    for guard, shape in cases:
        by_mark.setdefault(marks(shape), []).append((guard, shape))
    if len(by_mark) == len(cases):
        return cases
    merged: ShapeCases = []
    for group in by_mark.values():
        guards = merge([guard for guard, _ in group])
        shape = group[0][1] if len(group) == 1 else _common([one for _, one in group])
        merged += [(guard, shape) for guard in guards]
    return [(ALWAYS, merged[0][1])] if len(by_mark) == 1 else merged


def marks(shape: Shape) -> object:
    """Where wrappers and losses with tensors are, below and at a node."""
    below = tuple((name, mark) for name, child in shape.children if (mark := marks(child)))
    own = tuple((mark.token, mark.wrapper, mark.site) for mark in shape.wrappers)
    tensors: tuple[object, ...] = tuple(name for name, child in shape.children if child.tensor) if shape.loss else ()
    tensors = (*tensors, shape.site) if tensors else ()
    own += () if shape.asks is None else ((shape.asks.token, shape.asks.wrapper, shape.asks.site),)
    return (own, below, tensors) if own or below or tensors or not shape.known else ()


def _common(shapes: list[Shape]) -> Shape:
    first = shapes[0]
    rest = [dict(shape.children) for shape in shapes[1:]]
    children: list[tuple[str, Shape]] = []
    for name, child in first.children:
        twins = [other.get(name) for other in rest]
        known = [twin for twin in twins if twin is not None]
        if len(known) == len(twins):
            same = all(twin == child for twin in known)
            children.append((name, child if same else _common([child, *known])))
    return Shape(
        first.wrappers,
        tuple(children),
        False,
        first.identity if all(shape.identity == first.identity for shape in shapes) else "",
        first.tensor,
        first.loss,
        all(shape.known for shape in shapes),
        first.site,
        first.source,
        first.asks,
    )


def _of_wrapper(machine: Machine, ref: Ref, depth: int, seen: frozenset[int]) -> ShapeCases:
    info = machine.info(ref)
    assert info.wrapper is not None
    inner = machine.get(ref, info.token or "module")
    if inner is None:
        inner = Opaque("wrapped")
    mark = WrapperMark(info.token, info.wrapper.kind, info.site, info.wrapper.extra)
    result: ShapeCases = []
    before = machine.guard
    for guard, plain in alternatives(inner):
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        for deeper, shape in _of_plain(machine, plain, depth + 1, seen):
            together = both(guard, deeper)
            if together is not None:
                result.append(
                    (together, _wrapped(shape, mark) if info.token else _asking(shape, info.wrapper, info.site))
                )
    machine.guard = before
    return result


def _asking(shape: Shape, wrapper: Wrapper, site: Site | None) -> Shape:
    return msgspec.structs.replace(shape, asks=WrapperMark(wrapper.asks, wrapper.kind, site)) if wrapper.asks else shape


def _wrapped(shape: Shape, mark: WrapperMark) -> Shape:
    return msgspec.structs.replace(shape, wrappers=(mark, *shape.wrappers))


def _children(
    machine: Machine, ref: Ref, depth: int, seen: frozenset[int]
) -> list[tuple[Guard, tuple[tuple[str, Shape], ...]]]:
    """The children by name, in the order of registration, for each combination of their cases."""
    info = machine.info(ref)
    combined: list[tuple[Guard, tuple[tuple[str, Shape], ...]]] = [(ALWAYS, ())]
    for name, site in list(info.names.items()):
        value = machine.get(ref, name)
        if value is None or name in info.non_persistent or name in ("*", "**"):
            continue
        cases = _child_cases(machine, ref, name, value, depth, seen)
        if cases is None:
            continue
        if len(cases) * len(combined) > MOST_CASES:
            cases = [(ALWAYS, UNKNOWN)]
        combined = [
            (together, named if shape is None else (*named, (name, _placed(shape, shape.site or site))))
            for guard, named in combined
            for inner, shape in cases
            if (together := both(guard, inner)) is not None
        ]
    return combined


def _child_cases(
    machine: Machine, owner: Ref, name: str, value: Value, depth: int, seen: frozenset[int]
) -> list[tuple[Guard, Shape | None]] | None:
    """The shapes of one child; a case that is no child at all (None, a number) has shape None. None: never a child."""
    info = machine.info(owner)
    cases: list[tuple[Guard, Shape | None]] = []
    any_child = False
    before = machine.guard
    for guard, plain in alternatives(value):
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        if name in info.buffers:
            present = plain != NONE
            cases.append((guard, _BUFFER if present else None))
            any_child = any_child or present
        elif isinstance(plain, Ref) and _registers(machine, plain):
            site = machine.registered.get((owner.id, name, plain.id))
            for inner, shape in _of_plain(machine, plain, depth + 1, seen):
                together = both(guard, inner)
                if together is not None:
                    cases.append((together, _placed(shape, site)))
            any_child = True
        elif isinstance(plain, Opaque) and plain.symbol in machine.parameter_symbols:
            cases.append((guard, Shape(tensor="parameter", closed=True)))
            any_child = True
        elif isinstance(plain, Opaque) and plain.symbol in machine.opaque_owners and plain.fresh:
            cases += [(guard, shape) for _, shape in _of_plain(machine, plain, depth + 1, seen)]
            any_child = True
        else:
            cases.append((guard, None))
    machine.guard = before
    return cases if any_child else None


def _registers(machine: Machine, ref: Ref) -> bool:
    """Whether an object assigned to an attribute of a module becomes its child."""
    info = machine.info(ref)
    if info.kind == "module":
        return True
    return (
        info.kind == "foreign" and isinstance(info.cls, External) and machine.knowledge.is_module_class(info.cls.name)
    )


def _placed(shape: Shape, site: Site | None) -> Shape:
    return msgspec.structs.replace(shape, site=site)


def _closed(machine: Machine, info: ObjectInfo) -> bool:
    """Whether all children are known: every attribute that could be a module is."""
    if isinstance(info.cls, ClassValue):
        bases = classes.external_bases(machine, info.cls)
        return not classes.has_unknown_base(machine, info.cls) and all(
            name in ("torch.nn.Module", "torch.nn.modules.module.Module", "builtins.object", "abc.ABC")
            or machine.knowledge.loss(name) is not None
            or machine.knowledge.layer(name) is not None
            or name in machine.knowledge.module.sequences
            for name in bases
        )
    return bool(info.foundation)


#: What the classes of losses are called.
_LOSS_WORDS = ("loss", "criterion", "crossentropy")


def _is_loss(machine: Machine, info: ObjectInfo) -> bool:
    """A loss: of torch.nn, or a class whose name, or whose base's name, says so."""
    cls = info.cls
    if info.foundation and machine.knowledge.loss(info.foundation) is not None:
        return True
    names = classes.external_bases(machine, cls) if cls is not None else []
    if any(machine.knowledge.loss(name) is not None for name in names):
        return True
    orders = classes.resolution_order(machine, cls) if cls is not None else []
    called = [one.name.rpartition(".")[2].lower().replace("_", "") for one in orders]
    return any(word in name for name in called for word in _LOSS_WORDS)


def _only_losses(children: tuple[tuple[str, Shape], ...]) -> bool:
    """Whether losses are all that a module keeps: then it is one itself, whatever its name."""
    return any(child.loss for _, child in children) and all(child.loss or _empty(child) for _, child in children)


def _empty(shape: Shape) -> bool:
    """Whether there is certainly no tensor in it."""
    return not shape.tensor and shape.closed and shape.known and all(_empty(child) for _, child in shape.children)


def _may_hold_more(machine: Machine, ref: Ref) -> bool:
    """Whether an attribute is not known, so that it may be a module or a tensor."""
    values = (machine.get(ref, name) for name in machine.info(ref).names)
    return any(isinstance(plain, Opaque) for value in values if value is not None for _, plain in alternatives(value))


def _foundation(machine: Machine, info: ObjectInfo) -> list[tuple[Guard, tuple[tuple[str, Shape], ...]]]:
    """The tensors that a layer or loss of torch registers by itself."""
    layer = machine.knowledge.layer(info.foundation) if info.foundation else None
    if layer is not None:
        return [(ALWAYS, tuple((name, _TENSOR) for name in _layer_tensors(layer.tensors, info)))]
    loss = machine.knowledge.loss(info.foundation) if info.foundation else None
    if loss is None:
        return [(ALWAYS, ())]
    if loss.learnable:
        return [(ALWAYS, (("head", Shape(tensor="parameter", closed=True)),))]
    own = tuple((name, Shape(tensor="tensor", closed=True, source=info.site)) for name in loss.always)
    cases: list[tuple[Guard, tuple[tuple[str, Shape], ...]]] = [(ALWAYS, own)]
    for name, position in sorted(loss.given.items()):
        if name in info.names or name in info.non_persistent:
            continue
        given = info.positional[position] if position < len(info.positional) else info.keywords.get(name)
        if given is None:
            continue
        cases = _with_tensor(machine, cases, name, given, info)
    return cases


def _with_tensor(
    machine: Machine,
    cases: list[tuple[Guard, tuple[tuple[str, Shape], ...]]],
    name: str,
    given: Value,
    info: ObjectInfo,
) -> list[tuple[Guard, tuple[tuple[str, Shape], ...]]]:
    result: list[tuple[Guard, tuple[tuple[str, Shape], ...]]] = []
    for guard, plain in alternatives(machine.narrow(given)):
        absent = isinstance(plain, Const) and plain.value is None
        unsure = isinstance(plain, Opaque) and not plain.fresh
        tensor = Shape(tensor="maybe" if unsure else "tensor", closed=True, source=info.site)
        for before, named in cases:
            together = both(guard, before)
            if together is not None:
                result.append((together, named if absent else (*named, (name, tensor))))
    return result


def _layer_tensors(tensors: tuple[str, ...], info: ObjectInfo) -> list[str]:
    result: list[str] = []
    for tensor in tensors:
        name, _, switch = tensor.partition("?")
        only_if_true = switch.startswith("!")
        given = info.keywords.get(switch.removeprefix("!"))
        if not switch or (given == Const(True) if only_if_true else given != Const(False)):
            result.append(name)
    return result
