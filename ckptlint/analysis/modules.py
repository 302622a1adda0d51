"""torch modules made by classes from outside: layers, containers, losses, wrappers."""

from __future__ import annotations

from ckptlint.analysis import picks
from ckptlint.analysis.events import WrapEvent
from ckptlint.analysis.guards import Guard, Literal, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.symbols import is_environment
from ckptlint.analysis.values import (
    Choice,
    ClassValue,
    Const,
    External,
    Opaque,
    Ref,
    Site,
    TensorValue,
    TupleValue,
    Value,
    alternatives,
    choose,
)
from ckptlint.knowledge import Preparer, Wrapper


def make(machine: Machine, name: str, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site) -> Ref:
    """A module of the class `name` from outside, not a wrapper."""
    made = machine.new_object("module", External(name), site)
    initialise_external(machine, made, name, positional, keywords, site)
    return made


def initialise_external(
    machine: Machine,
    made: Ref,
    name: str,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> bool:
    """What `__init__` of a class from outside does to an object; False when nothing is known of the class."""
    info = machine.info(made)
    wrapper = machine.knowledge.wrapper(name)
    if wrapper is not None:
        inner = positional[0] if positional else keywords.get(wrapper.argument)
        info.wrapper, info.token = wrapper, wrapper.token
        _hold(machine, made, wrapper, inner if inner is not None else Opaque("module"), site)
        return True
    loss = machine.knowledge.loss(name)
    if loss is not None or machine.knowledge.layer(name) is not None:
        info.positional, info.keywords = positional, dict(keywords)
        if loss is not None:
            # torch registers the slots even when nothing is given: what is assigned later is a tensor of the loss.
            info.buffers.update(loss.given)
        info.foundation = name
        return True
    facts = machine.knowledge.module
    if name in facts.sequences:
        info.foundation = name
        _fill_sequence(machine, made, positional, site, is_list=name.endswith("List"))
        return True
    if name in facts.mappings:
        info.foundation = name
        if positional and isinstance(positional[0], Ref):
            source = machine.info(positional[0])
            for key in list(source.names):
                value = machine.get(positional[0], key)
                if value is not None:
                    machine.set(made, key, value, source.names[key] or site)
        return True
    return False


def _fill_sequence(machine: Machine, made: Ref, positional: tuple[Value, ...], site: Site, *, is_list: bool) -> None:
    from ckptlint.analysis import loops

    items: list[Value] | None = list(positional)
    if positional and is_list:
        items = loops.known_items(machine, positional[0])
        if items is None:
            machine.set(made, "*", loops.element(machine, positional[0]), site)
            return
    elif len(positional) == 1 and isinstance(positional[0], Ref) and machine.info(positional[0]).kind == "dict":
        source = positional[0]
        for key in list(machine.info(source).names):
            machine.set(made, key, machine.get(source, key) or Opaque(key), site)
        return
    for index, item in enumerate(items or ()):
        machine.set(made, str(index), item, site)


def _hold(machine: Machine, made: Ref, wrapper: Wrapper, inner: Value, site: Site) -> None:
    child = wrapper.token or "module"
    if wrapper.copies:
        inner = copied(machine, inner)
    machine.set(made, child, inner, site)
    machine.events.wraps.append(
        WrapEvent(site, wrapper.token, wrapper.kind, machine.guard, machine.run, wrapper.processes, machine.entry)
    )


def wrap(machine: Machine, wrapper: Wrapper, name: str, inner: Value, site: Site) -> Ref:
    """`name(inner)` where `name` is a wrapper."""
    made = machine.new_object("module", External(name), site)
    info = machine.info(made)
    info.wrapper, info.token = wrapper, wrapper.token
    _hold(machine, made, wrapper, inner, site)
    return made


def is_module_value(machine: Machine, value: Value) -> bool:
    """Whether a plain value is a module, as far as one can see: what was made outside is, unless known for another."""
    if isinstance(value, Opaque):
        return value.fresh and not machine.knowledge.is_other(value.symbol.partition("(")[0])
    if not isinstance(value, Ref):
        return False
    info = machine.info(value)
    if info.kind == "foreign":
        return isinstance(info.cls, External) and not machine.knowledge.is_other(info.cls.name)
    return info.kind == "module"


def prepare(machine: Machine, preparer: Preparer, positional: tuple[Value, ...], site: Site) -> Value:
    """`accelerator.prepare(model, optimizer)`: the same things, modules wrapped."""
    results = [_prepared(machine, preparer, value, site) for value in positional]
    if len(results) == 1:
        return results[0]
    return TupleValue(tuple(results))


def _prepared(machine: Machine, preparer: Preparer, value: Value, site: Site) -> Value:
    if isinstance(value, Choice):
        return choose(
            [(guard, _prepared(machine, preparer, plain, site)) for guard, plain in value.alternatives], "prepared"
        )
    if not is_module_value(machine, value):
        return value
    wrapper = Wrapper(
        token=preparer.token,
        argument="module",
        kind=preparer.kind,
        source=preparer.source,
        inherits=not preparer.token,
        processes=preparer.processes,
        asks=preparer.asks,
    )
    literal = Literal(preparer.when, "truthy")
    before = machine.guard
    if preparer.when:
        joined = both(before, frozenset((literal,)))
        if joined is None:
            return value
        machine.guard = joined
    wrapped = wrap(machine, wrapper, preparer.makes or preparer.kind, value, site)
    machine.guard = before
    if preparer.unwraps and not preparer.token:
        machine.info(wrapped).token = ""
    if not preparer.when:
        return wrapped
    return Choice(((frozenset((literal,)), wrapped), (frozenset((~literal,)), value)))


def unwrapped(machine: Machine, value: Value, tokens: tuple[str, ...], depth: int = 0) -> Value:
    """The module inside all wrappers whose token is one of `tokens`."""
    if isinstance(value, Choice):
        return choose(
            [(guard, unwrapped(machine, plain, tokens, depth)) for guard, plain in value.alternatives], "unwrapped"
        )
    if isinstance(value, Ref) and depth < 8:
        info = machine.info(value)
        if info.wrapper is not None and (info.token in tokens or not info.token):
            inner = machine.get(value, info.token or "module")
            if inner is not None:
                return unwrapped(machine, inner, tokens, depth + 1)
    if isinstance(value, Opaque) and not value.fresh:
        return Opaque(f"unwrap({value.symbol})", fresh=True)
    return value


def copied(machine: Machine, value: Value, memo: dict[int, Ref] | None = None) -> Value:
    """`copy.deepcopy(value)`: new objects all the way down."""
    memo = {} if memo is None else memo
    if isinstance(value, Choice):
        return choose([(guard, copied(machine, plain, memo)) for guard, plain in value.alternatives], "copy")
    if isinstance(value, TupleValue):
        return TupleValue(tuple(copied(machine, item, memo) for item in value.items))
    if isinstance(value, TensorValue):
        return TensorValue(value.content)
    if isinstance(value, Opaque) and value.fresh:
        # a thing of its own, of the same kind: what stands behind the @ tells one from another
        return Opaque(f"{value.symbol.partition('@copy')[0]}@copy {machine.memory.new_owner()}", fresh=True)
    if not isinstance(value, Ref):
        return value
    if value.id in memo:
        return memo[value.id]
    info = machine.info(value)
    made = machine.new_object(info.kind, info.cls, info.site)
    memo[value.id] = made
    twin = machine.info(made)
    twin.wrapper, twin.token, twin.positional, twin.keywords = info.wrapper, info.token, info.positional, info.keywords
    twin.path, twin.entry, twin.file, twin.foreign = info.path, info.entry, info.file, info.foreign
    twin.foundation, twin.non_persistent = info.foundation, set(info.non_persistent)
    twin.buffers, twin.guard, twin.grown = set(info.buffers), info.guard, info.grown
    if info.history is not None:
        picks.note_copied(machine, value, made)
    for name, site in list(info.names.items()):
        inner = machine.memory.read(value.id, name)
        if inner is not None:
            machine.set(made, name, copied(machine, inner, memo), site)
            _place_copies(machine, value, made, name, inner, memo)
    bulk = machine.memory.read(value.id, "*")
    if bulk is not None:
        machine.memory.write(made.id, "*", bulk)
    return made


def _place_copies(machine: Machine, owner: Ref, twin: Ref, name: str, parts: Value, memo: dict[int, Ref]) -> None:
    """The parts of a copy were registered where those of the original were: `self.criterion = None` came before."""
    for _, part in alternatives(parts):
        placed = machine.registered.get((owner.id, name, part.id)) if isinstance(part, Ref) else None
        if placed is not None and isinstance(part, Ref) and part.id in memo:
            machine.registered[(twin.id, name, memo[part.id].id)] = placed


def register_tensor(
    machine: Machine, receiver: Ref, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> None:
    """`self.register_buffer(name, tensor, persistent=True)` and `register_parameter(name, tensor)`."""
    name = positional[0] if positional else keywords.get("name")
    if not isinstance(name, Const) or not isinstance(name.value, str):
        return
    tensor = positional[1] if len(positional) > 1 else keywords.get("tensor", keywords.get("param"))
    persistent = positional[2] if len(positional) > 2 else keywords.get("persistent")
    info = machine.info(receiver)
    if persistent == Const(False):
        info.non_persistent.add(name.value)
    else:
        info.non_persistent.discard(name.value)
    info.buffers.add(name.value)
    machine.set(receiver, name.value, tensor if tensor is not None else Opaque(name.value), site)


def class_name(machine: Machine, cls: Value | None) -> str:
    """A readable name of a class."""
    if isinstance(cls, ClassValue):
        return f"{machine.class_info(cls).file}:{cls.name}"
    return cls.name if isinstance(cls, External) else ""


def settled_unwrap(machine: Machine, value: Value) -> Value:
    """`model.module if args.distributed else model` is an unwrap, also where `args.distributed` is not the very
    condition of the wrap.

    Both speak of the same launch, in other words; that they disagree is no supported configuration. So where a wrapper
    and the module inside it are alternatives under opposite launch conditions, the wrapper gives way.
    """
    if not isinstance(value, Choice):
        return value
    plain = {inner for _, inner in value.alternatives}
    cases = [(guard, _inside(machine, inner, guard, value, plain)) for guard, inner in value.alternatives]
    return choose(cases, "unwrapped")


def _inside(machine: Machine, wrapper: Value, guard: Guard, value: Choice, plain: set[Value]) -> Value:
    if not isinstance(wrapper, Ref):
        return wrapper
    info = machine.info(wrapper)
    if info.wrapper is None or not info.token:
        return wrapper
    inner = machine.memory.read(wrapper.id, info.token)
    for _, candidate in alternatives(inner) if inner is not None else ():
        if candidate not in plain:
            continue
        for other, one in value.alternatives:
            if one == candidate and _is_unwrap(other, guard, info.guard):
                return candidate
    return wrapper


def _is_unwrap(unwrapped: Guard, wrapped: Guard, wrap: Guard) -> bool:
    """Whether the two cases differ in one launch condition alone, and not in the one that the wrap itself is under."""
    telling = [literal for literal in wrapped if ~literal in unwrapped]
    return len(telling) == 1 and is_environment(telling[0].symbol) and telling[0] not in wrap
