"""State dicts whose tensors are the model's own: taken, kept, and used later.

`model.state_dict()` copies nothing. Whoever keeps the dict while training goes on keeps the weights of the last step:

    for epoch in range(n):                     a loop, in which a model is trained
        train(model)
        if accuracy > best:
            kept = model.state_dict()          taken in the loop, under a condition; kept under a name
    model.load_state_dict(kept)                restored after the loop: what is loaded is what is there already

The run goes through a loop once, so "later" is told by the loops around the two places and by a clock that every step
of training advances. Copies of the tensors end it (`deepcopy`, `clone`); copies of the dict do not (`.copy()`,
`dict(...)`, a comprehension). A dict that is given other entries is no longer followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ckptlint.analysis import classes
from ckptlint.analysis.guards import both
from ckptlint.analysis.live_events import Held, KeptEvent, LiveUseEvent, ModelKeptEvent, Taken
from ckptlint.analysis.machine import Loop, Machine
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.values import (
    ClassValue,
    Const,
    Opaque,
    Ref,
    Site,
    TensorValue,
    TupleValue,
    Value,
    alternatives,
)
from ckptlint.facts import ir

#: Methods whose call is a step of training.
TRAINING = frozenset(("step", "backward"))

_MAY_TRAIN = re.compile(r"(?i)(?:train|fit|epoch|step|optimi[sz]e|learn)\w*$")

#: Methods of a tensor that give the same memory under another name.
_SAME_MEMORY = frozenset(
    ("detach", "view", "contiguous", "requires_grad_", "squeeze", "unsqueeze", "reshape", "view_as")
)

_NO_MODULE = re.compile(r"(?i)optim|sched|scaler")


@contextmanager
def loop(machine: Machine) -> Iterator[None]:
    """What is run inside is the body of a loop."""
    outer = machine.rounds.around
    entry = Loop(machine.guard, machine.memory.owners, machine.rounds.trained)
    machine.rounds.table.append(entry)
    machine.rounds.around = (*outer, len(machine.rounds.table) - 1)
    try:
        yield
    finally:
        machine.rounds.around = outer
        entry.after = machine.rounds.trained


def note_unknown(machine: Machine, name: str) -> None:
    """A call of something unknown is a step of training where its name says so."""
    if _MAY_TRAIN.search(name.partition("@")[0].partition("(")[0]):
        machine.rounds.trained += 1


def take(machine: Machine, made: Ref, target: Value, site: Site) -> None:
    """`made` is the state dict of `target`, which is a module as far as one can see."""
    modules = names_of(machine, target)
    if modules and not any(_NO_MODULE.search(name) for name in modules):
        function = machine.running[-1] if machine.running else None
        loops = tuple(one for one in machine.rounds.around if not _is_made_in(machine, target, one))
        on_gpu = _is_on_gpu(machine, target, site)
        around = machine.rounds.around
        machine.info(made).taken = Taken(
            site, site, modules, loops, machine.guard, machine.rounds.trained, function, on_gpu, around=around
        )


def _is_made_in(machine: Machine, target: Value, loop: int) -> bool:
    """Whether the module is another one in each round of the loop: no round changes that of an earlier one."""
    plain = [one for _, one in alternatives(target)]
    newest = machine.rounds.table[loop].newest
    return all(
        (isinstance(one, Ref) and one.id > newest and machine.info(one).wrapper is None)
        or (isinstance(one, Opaque) and (loop in machine.rounds.made_in.get(one.symbol, ()) or "[]" in one.symbol))
        for one in plain
    )


def _is_on_gpu(machine: Machine, target: Value, site: Site, depth: int = 0) -> bool:
    """Whether `.cpu()` copies the tensors: the model is elsewhere, or may be for all one can see."""
    for _, plain in alternatives(target):
        if not isinstance(plain, Ref) or machine.info(plain).wrapper is not None:
            return True
        device = machine.memory.read(plain.id, DEVICE)
        if device is None:
            return machine.candidates.mentions(site.file, {b"cuda", b"device"})
        if not (isinstance(device, Const) and device.value == "cpu") and "'cpu'" not in symbol_of(device):
            return True
    return False


#: The cell of a module that tells what it was moved to.
DEVICE = "<device>"


def note_moved(machine: Machine, module: Ref, name: str, positional: tuple[Value, ...]) -> None:
    """`module.cuda()`, `module.to(device)`."""
    if name == "cuda":
        machine.memory.write(module.id, DEVICE, Const("cuda"))
    elif name == "cpu":
        machine.memory.write(module.id, DEVICE, Const("cpu"))
    elif name == "to" and positional:
        machine.memory.write(module.id, DEVICE, positional[0])


def names_of(machine: Machine, target: Value, depth: int = 0) -> frozenset[str]:
    """What a module is called here: one name for it and for its wrappers, since their tensors are the same."""
    found: frozenset[str] = frozenset()
    for _, plain in alternatives(target):
        if isinstance(plain, Opaque):
            found |= {plain.symbol.removeprefix("unwrap(").removesuffix(")").removesuffix(".module")}
        elif isinstance(plain, Ref):
            info = machine.info(plain)
            inner = machine.get(plain, info.token or "module") if info.wrapper is not None else None
            if inner is not None and depth < 8 and info.wrapper is not None and not info.wrapper.copies:
                found |= names_of(machine, inner, depth + 1)
            elif info.kind == "module" or _may_be_module(machine, plain):
                found |= {f"module {plain.id}"}
    return found


def _may_be_module(machine: Machine, ref: Ref) -> bool:
    info = machine.info(ref)
    return info.kind == "foreign" and not machine.knowledge.is_other(symbol_of(info.cls) if info.cls else "")


def tensor_method(tensor: TensorValue, name: str) -> TensorValue:
    """What a method of a tensor gives: the same memory, perhaps the same memory (`.cpu()`), or a copy."""
    if name in _SAME_MEMORY:
        return tensor
    if name == "cpu":
        return TensorValue(tensor.content, tensor.holder, moved=True)
    return TensorValue(tensor.content)


def note_shallow(machine: Machine, copy: Ref, source: Ref) -> None:
    """A dict got all entries of another one: its tensors are the same."""
    taken = machine.info(source).taken
    site = machine.info(copy).site
    if taken is not None:
        machine.info(copy).taken = taken if site is None else msgspec.structs.replace(taken, kept=site)


def note_entry(machine: Machine, owner: Ref, value: Value, site: Site | None) -> None:
    """`owner[key] = value` for the keys of a state dict: live if the tensor is; a live dict that is changed is not."""
    info = machine.info(owner)
    for _, plain in alternatives(value):
        if info.taken is not None and isinstance(plain, TensorValue) and plain.content.file:
            machine.seen.read_states.add(plain.content.file)
        holder = machine.objects.get(plain.holder) if isinstance(plain, TensorValue) and plain.holder else None
        taken = holder.taken if holder is not None else None
        if taken is None or not isinstance(plain, TensorValue):
            info.taken = None
            return
        if info.taken is not None and info.taken.site != taken.site:
            info.taken = None
            return
        if plain.moved and taken.on_gpu:
            info.taken = None
            return
        if holder is not info:
            kept, moved = site or info.site or taken.kept, taken.moved or plain.moved
            info.taken = msgspec.structs.replace(taken, kept=kept, moved=moved)


def note_kept(machine: Machine, node: ir.Assign, value: Value) -> None:
    """A live state dict gets a name; or a model gets the name of the best one."""
    found = list(_taken(machine, value))
    if found:
        for target in node.targets:
            place = _place(machine, target)
            for held in place:
                machine.events.kept.extend(KeptEvent(taken, held) for taken in found)
    elif machine.rounds.around and isinstance(node.value, (ir.Name, ir.Attribute)):
        _note_model(machine, node, value)


def _note_model(machine: Machine, node: ir.Assign, value: Value) -> None:
    """`best_model = model` in a loop, where the model was made before the loop."""
    newest = machine.rounds.table[machine.rounds.around[-1]].newest
    plain = [one for _, one in alternatives(value)]
    if not plain or not all(
        isinstance(one, Ref) and one.id <= newest and machine.info(one).kind == "module" for one in plain
    ):
        return
    assert node.value is not None
    for target in node.targets:
        name = target.name if isinstance(target, (ir.Name, ir.Attribute)) else ""
        if "best" in name.lower():
            site = machine.site(node.value)
            attribute = isinstance(target, ir.Attribute)
            machine.events.kept_models.append(
                ModelKeptEvent(site, name, attribute, machine.rounds.around, machine.guard)
            )


def _taken(machine: Machine, value: Value, depth: int = 0) -> Iterator[Taken]:
    """The live state dicts that a value is, or has among its entries."""
    if type(value) is Opaque:
        return
    for guard, plain in alternatives(value):
        if isinstance(plain, TupleValue) and depth < 2:
            for item in plain.items:
                yield from _taken(machine, item, depth + 1)
        if not isinstance(plain, Ref) or both(machine.guard, guard) is None:
            continue
        info = machine.info(plain)
        if info.taken is not None:
            yield info.taken
        elif info.kind == "dict" and depth < 2:
            for name in info.names:
                inner = machine.memory.read(plain.id, name)
                if inner is not None:
                    yield from _taken(machine, inner, depth + 1)


def _place(machine: Machine, target: ir.Expr) -> Iterator[Held]:
    """Which name or attribute an expression stands for; entries count as the dict that has them."""
    while isinstance(target, ir.Subscript):
        target = target.value
    frame = machine.frames[-1]
    if isinstance(target, ir.Name):
        scopes = (frame.scope, *frame.parents)
        scope = next((one for one in scopes if (one, target.name) in machine.memory.cells), frame.scope)
        yield Held(scope, target.name)
    elif isinstance(target, ir.Attribute) and isinstance(target.value, ir.Name):
        for scope in (frame.scope, *frame.parents):
            owner = machine.memory.read(scope, target.value.name)
            if owner is None:
                continue
            for _, plain in alternatives(owner):
                if isinstance(plain, Ref):
                    yield Held(plain.id, target.name, _classes(machine, plain), attribute=True)
                elif isinstance(plain, Opaque) and plain.symbol in machine.opaque_owners:
                    yield Held(machine.opaque_owners[plain.symbol], target.name, attribute=True)
            return


def _classes(machine: Machine, ref: Ref) -> frozenset[int]:
    cls = machine.info(ref).cls
    if cls is None:
        return frozenset()
    return frozenset(one.key for one in classes.resolution_order(machine, cls) if isinstance(one, ClassValue))


def held(machine: Machine, node: ir.Call) -> Held | None:
    """From where the first argument of a call is read."""
    return next(_place(machine, node.args[0].value), None) if node.args else None


def note_restore(machine: Machine, target: Value, source: Value, site: Site) -> None:
    """`target.load_state_dict(source)`; then the clock goes on, since the weights are others."""
    rounds = machine.rounds
    if rounds.loaded == (site, rounds.trained):
        rounds.trained -= 1  # the same load, of another model that the name may stand for
    found = tuple(_taken(machine, source))
    modules = names_of(machine, target)
    if found or rounds.argument is not None:
        how = "restored" if any(one.modules & modules for one in found) or not found else "loaded elsewhere"
        _use(machine, how, found, modules, rounds.argument, site, others=len(alternatives(source)) > 1)
    rounds.argument = None
    rounds.trained += 1
    rounds.loaded = (site, rounds.trained)


def note_use(machine: Machine, how: str, value: Value, site: Site) -> None:
    """A state dict is saved, or handed to the caller."""
    found = tuple(_taken(machine, value))
    if found:
        _use(machine, how, found, frozenset(), None, site)


def note_return(machine: Machine, value: Value, node: ir.Return) -> None:
    """`return best` after a loop."""
    if node.value is not None and type(value) is not Opaque:
        note_use(machine, "returned", value, machine.site(node.value))


def _use(
    machine: Machine,
    how: str,
    found: tuple[Taken, ...],
    modules: frozenset[str],
    held: Held | None,
    site: Site,
    others: bool = False,
) -> None:
    running = tuple(machine.running)
    machine.events.live_uses.append(
        LiveUseEvent(site, how, found, modules, held, machine.rounds.around, machine.rounds.trained, running, others)
    )
