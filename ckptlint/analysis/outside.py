"""Calls of functions and classes from outside the project, by their dotted names."""

from __future__ import annotations

import re
from collections.abc import Callable

from ckptlint.analysis import (
    classes,
    collectives,
    files,
    live,
    modules,
    patterns,
    python,
    renamed,
    slips,
    state_dicts,
    training,
)
from ckptlint.analysis.events import ANOTHER_PICKLER, ReadEvent, WrapEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.ranks import SPAWNED
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.symbols import is_environment, shorten, symbol_of
from ckptlint.analysis.values import (
    Bound,
    ClassValue,
    Const,
    External,
    Function,
    Opaque,
    Partial,
    Ref,
    Site,
    TupleValue,
    Value,
    alternatives,
)
from ckptlint.knowledge.entries import Load, Save

Arguments = tuple[tuple[Value, ...], dict[str, Value]]

#: A function of an unknown library with such a name, given a state dict, is taken to write it to a file.
#: What a `forward` does besides computing: `self.features = Wrapper(self.features)`, `self.loss.weight = w`.
_REGISTERS = re.compile(r"DataParallel|weight =|\.save\(|self\.(\w+) = [\w.]+\(self\.\1\b")
_SAVES = re.compile(r"(?i)(?:^|[._])(?:save|dump|write)\w*$|save_?(?:checkpoint|model|state|ckpt|network)")

_CONSUME = "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present"


def argument(given: Arguments, position: int, keyword: str) -> Value | None:
    """An argument by position or keyword."""
    positional, keywords = given
    if position < len(positional):
        return positional[position]
    return keywords.get(keyword)


def call_external(
    machine: Machine, function: External, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> Value:
    """Call something from outside."""
    name = function.name
    given = (positional, keywords)
    handler = _HANDLERS.get(name)
    if handler is not None:
        return handler(machine, given, site)
    if name.startswith("builtins."):
        return python.call_builtin(machine, name[len("builtins.") :], positional, keywords, site)
    if name in machine.knowledge.pickles.allowances:
        machine.events.allowances.append(site)
    if name in machine.knowledge.pickles.renames:
        machine.events.renames.append(site)
    if name in machine.knowledge.pickles.names and len(positional) > 1:
        renamed.note(machine, positional[0], positional[1])
    known = _by_knowledge(machine, name, given, site)
    if known is not None:
        return known
    known = python.call_library(machine, name, positional, keywords, site)
    if known is not None:
        return known
    if machine.knowledge.is_module_class(name):
        return modules.make(machine, name, positional, keywords, site)
    if name.rpartition(".")[2][:1].isupper():
        note_escape(machine, positional, keywords)
        made = machine.new_object("foreign", function, site)
        info = machine.info(made)
        info.positional, info.keywords = positional, dict(keywords)
        training.made(machine, made, positional, keywords, site)
        return made
    note_escape(machine, positional, keywords)
    live.note_unknown(machine, name)
    unknown_save(machine, name, positional, keywords, site)
    result = _result(machine, name, positional, site)
    training.made(machine, result, positional, keywords, site)
    return result


def _result(machine: Machine, name: str, positional: tuple[Value, ...], site: Site) -> Value:
    """What an unknown function from outside gives: a thing of its own, or the answer to a question."""
    rendered = ", ".join(symbol_of(value) for value in positional[:3])
    if _asks(name):
        return Opaque(shorten(f"{name}({rendered})"))
    symbol = shorten(f"{name}({rendered})") + f"@{site.file}:{site.unit}:{site.node}"
    if machine.rounds.around:
        machine.rounds.made_in[symbol] = machine.rounds.around
    return Opaque(symbol, fresh=True, kind=machine.knowledge.made(name))


def _asks(name: str) -> bool:
    """Whether two calls of the function give the same answer: they ask about the machine or the launch."""
    return name.startswith(("torch.cuda.", "torch.distributed.", "os.", "sys.", "torch.backends.")) or is_environment(
        name
    )


def _saved(machine: Machine, save: Save, given: Arguments, site: Site) -> Value:
    """A call that writes a file; with a `pickle_module` of another kind the author has chosen to pickle objects."""
    value, path = argument(given, *save.object), argument(given, *save.path)
    pickler = given[1].get("pickle_module")
    read_by = save.read_by if pickler is None or symbol_of(pickler) == "pickle" else ANOTHER_PICKLER
    if value is not None:
        path = path or Opaque("path")
        files.save(machine, value, path, site, once=save.once, pickles=save.pickles, read_by=read_by)
    return Const(None)


def _by_knowledge(machine: Machine, name: str, given: Arguments, site: Site) -> Value | None:
    knowledge = machine.knowledge
    positional, keywords = given
    collectives.noted(machine, name, given, site)
    wrapper = knowledge.wrapper(name)
    if wrapper is not None:
        return _wrapped(machine, name, given, site)
    if knowledge.load(name) is not None:
        slips.note_read(machine, name, keywords, site)
    known = _known_by_name(machine, name, given, site)
    if known is not None:
        return known
    if knowledge.fetch(name) is not None:
        return files.fetched(machine, name, site)
    through = knowledge.through(name)
    if through is not None and positional:
        if through.shards:
            machine.events.wraps.append(
                WrapEvent(site, "", "fully_shard", machine.guard, machine.run, True, machine.entry)
            )
        return _given_back(name, given)
    if name == collectives.FIRST_ONLY_CALL:
        return collectives.first_only(machine, given, site)
    pick = knowledge.pick(name)
    if pick is not None:
        return state_dicts.picked(machine, argument(given, *pick.given), argument(given, *pick.own), site)
    gather = knowledge.gather(name)
    if gather is not None and positional:
        return state_dicts.gathered(machine, positional[0], gather, site)
    owner, _, method = name.rpartition(".")
    preparer = knowledge.preparers.get((owner, method))
    if preparer is not None:
        inner = keywords.get(preparer.keyword) if preparer.keyword else None
        if inner is None and positional:
            inner = positional[0]
        if inner is not None:
            wrapped = modules.prepare(machine, preparer, (inner,), site)
            return TupleValue((wrapped, Opaque("optimizer"), Opaque("loader"), Opaque("scheduler")))
    return None


def _known_by_name(machine: Machine, name: str, given: Arguments, site: Site) -> Value | None:
    """What is known alike of functions and of methods, `lightning.Fabric.save`: by their dotted names."""
    knowledge = machine.knowledge
    if knowledge.rank_zero(name) is not None:
        return collectives.first_only(machine, given, site)
    save = knowledge.save(name)
    if save is not None:
        return _saved(machine, save, given, site)
    load = knowledge.load(name)
    if load is not None:
        return _loaded(machine, load, given, site)
    unwrap = knowledge.unwrap(name)
    if unwrap is not None and given[0]:
        return modules.unwrapped(machine, given[0][0], unwrap.tokens)
    return None


def _loaded(machine: Machine, load: Load, given: Arguments, site: Site) -> Value:
    """What a call gives that reads a file, with a note of how it was called."""
    path = argument(given, *load.path) or Opaque("path")
    before = len(machine.events.loads)
    made = files.load(machine, path, site)
    if load.device is not None:
        read_back = len(machine.events.loads) > before and machine.events.loads[-1].file == 0
        info = machine.info(made) if isinstance(made, Ref) else None
        machine.events.reads.append(
            ReadEvent(
                site,
                files.resolved_path(machine, path),
                (info.file or 0) if info is not None and not read_back else 0,
                read_back and files.holds_state(machine, made, site),
                argument(given, *load.device),
                given[1].get(load.plain),
                "**" in given[1] or "*" in given[1],
                machine.guard,
                machine.run,
                machine.entry,
            )
        )
    return made


def _given_back(name: str, given: Arguments) -> Value:
    """The first argument; `amp.initialize` gives back as many as it was given."""
    positional, keywords = given
    optimizers = keywords.get("optimizers", positional[1] if len(positional) > 1 else None)
    if name.endswith("amp.initialize") and optimizers is not None:
        return TupleValue((positional[0], optimizers))
    return positional[0]


def _wrapped(machine: Machine, name: str, given: Arguments, site: Site) -> Value | None:
    wrapper = machine.knowledge.wrapper(name)
    assert wrapper is not None
    inner = argument(given, 0, wrapper.argument)
    if inner is None:
        if wrapper.kind == "torch.compile":
            return Partial(External(name), (), tuple(sorted(given[1].items())))
        return None
    if isinstance(inner, (Function, ClassValue, Bound)):
        return inner
    return spread(machine, inner, lambda plain: modules.wrap(machine, wrapper, name, plain, site))


def foreign_method(
    machine: Machine,
    owner: Ref,
    name: str,
    positional: tuple[Value, ...],
    keywords: dict[str, Value],
    site: Site,
) -> Value | None:
    """A method of an object made by a class from outside; None when nothing is known of it."""
    cls = machine.info(owner).cls
    assert isinstance(cls, External)
    if cls.name == patterns.PATTERN:
        return patterns.method(machine, owner, name, positional, keywords)
    dotted = f"{cls.name}.{name}"
    knowledge = machine.knowledge
    given = (positional, keywords)
    collectives.noted(machine, dotted, given, site)
    preparer = knowledge.preparers.get((cls.name, name))
    if preparer is not None:
        return modules.prepare(machine, preparer, positional, site)
    known = _known_by_name(machine, dotted, given, site)
    if known is not None:
        return known
    if name == "get_state_dict" and positional:
        inner = modules.unwrapped(machine, positional[0], ("module",))
        return state_dicts.of_value(machine, inner, site)
    note_escape(machine, positional, keywords)
    if name in knowledge.module.methods or name in knowledge.module.returns_self:
        return None
    live.note_unknown(machine, name)
    unknown_save(machine, dotted, positional, keywords, site)
    rendered = ", ".join(symbol_of(value) for value in positional[:3])
    fresh = not _asks(dotted) and not dotted.startswith("argparse")
    return Opaque(shorten(f"{dotted}({rendered})"), fresh=fresh, kind=machine.knowledge.made(dotted))


def note_escape(machine: Machine, positional: tuple[Value, ...], keywords: dict[str, Value]) -> None:
    """Functions and objects given to the unknown may be called by it later, or kept."""
    machine.give((*positional, *keywords.values()))
    slips.note_handed(machine, keywords)
    for value in (*positional, *keywords.values()):
        if isinstance(value, (Function, Bound, Partial)) or (
            isinstance(value, Ref) and machine.info(value).kind in ("instance", "module")
        ):
            machine.escaped.append(value)


def unknown_save(
    machine: Machine, name: str, positional: tuple[Value, ...], keywords: dict[str, Value], site: Site
) -> None:
    """`library.save_checkpoint({"state_dict": model.state_dict()}, path)`: a write, as its name says."""
    training.library_call(machine, name)
    plain = name.partition("@")[0].partition("(")[0]
    if not _SAVES.search(plain):
        return
    for value in (*positional, *keywords.values()):
        if isinstance(value, Ref) and machine.info(value).kind == "dict":
            path = next((other for other in positional if other is not value and not isinstance(other, Ref)), None)
            once = collectives.is_joint(machine, name, keywords)
            files.save(machine, value, path or Opaque("path"), site, once=once, pickles=False)


def worth_running(machine: Machine, owner: Ref, depth: int = 0) -> bool:
    """Whether the `forward` of a module, or of one inside it, does more than computing: it wraps or registers."""
    info = machine.info(owner)
    method = classes.attribute(machine, info.cls, "forward") if info.cls is not None else None
    if isinstance(method, Function) and _registers(machine, method):
        return True
    if depth > 3 or info.kind != "module":
        return False
    held = (machine.get(owner, name) for name in info.names)
    inside = (plain for value in held if value is not None for _, plain in alternatives(value))
    return any(worth_running(machine, one, depth + 1) for one in inside if isinstance(one, Ref) and one != owner)


def _registers(machine: Machine, function: Function) -> bool:
    info = machine.functions[function.key]
    code = (info.file, info.unit)
    if code not in machine.registering:
        header = machine.store.headers(info.file)[info.unit]
        lines = machine.lines(info.file)[header.first_row - 1 : header.last_row]
        machine.registering[code] = bool(info.unit) and any(_REGISTERS.search(line) for line in lines)
    return machine.registering[code]


def _consume(machine: Machine, given: Arguments, site: Site) -> Value:
    target, prefix = argument(given, 0, "state_dict"), argument(given, 1, "prefix")
    if target is not None and isinstance(prefix, Const) and isinstance(prefix.value, str):
        state_dicts.consume(machine, target, prefix.value)
    return Const(None)


def _deepcopy(machine: Machine, given: Arguments, site: Site) -> Value:
    return modules.copied(machine, given[0][0]) if given[0] else Opaque("copy")


def _shallow(machine: Machine, given: Arguments, site: Site) -> Value:
    if given[0] and isinstance(given[0][0], Ref) and machine.info(given[0][0]).kind in ("dict", "file"):
        return state_dicts.shallow_copy(machine, given[0][0], site)
    return modules.copied(machine, given[0][0]) if given[0] else Opaque("copy")


def _spawn(machine: Machine, given: Arguments, site: Site) -> Value:
    """`mp.spawn(main_worker, nprocs=n, args=(...))` calls main_worker(rank, ...)."""
    from ckptlint.analysis import calls, loops

    function = argument(given, 0, "fn")
    rest = argument(given, 1, "args")
    items = loops.known_items(machine, rest) if rest is not None else None
    if function is not None:
        calls.call(
            machine,
            function,
            (Opaque(SPAWNED), *(items or ())),
            {} if items is not None else {"**": rest or Opaque("args")},
            site,
        )
    return Const(None)


def _process(machine: Machine, given: Arguments, site: Site) -> Value:
    """`Process(target=f, args=(...))`: f is taken to be called."""
    from ckptlint.analysis import calls, loops

    function, rest = given[1].get("target"), given[1].get("args")
    if function is not None:
        items = loops.known_items(machine, rest) if rest is not None else []
        calls.call(machine, function, tuple(items or ()), dict(given[1]) if items is None else {}, site)
    return Opaque("process")


_HANDLERS: dict[str, Callable[[Machine, Arguments, Site], Value]] = {
    _CONSUME: _consume,
    "copy.deepcopy": _deepcopy,
    "copy.copy": _shallow,
    "torch.multiprocessing.spawn": _spawn,
    "torch.multiprocessing.Process": _process,
    "multiprocessing.Process": _process,
    "threading.Thread": _process,
}
