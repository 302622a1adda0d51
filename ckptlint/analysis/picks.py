"""Which keys of a loaded dict are taken, and whether anybody hears of the others.

    own = model.state_dict()                                      `own` are the model's own keys
    taken = {k: v for k, v in loaded.items() if k in own}         `taken` is drawn from `loaded`, picked by a membership
    own.update(taken)                                             `own` is merged: what is not in `taken` stays as it is
    model.load_state_dict(own)

A test of membership is a condition as any other; its symbol names the container and the place, so that one can see in
the guard of what is done with a key why it is done. What is told in the other branch (`else: print(k)`) is told of
all keys that are held against that container. `len(taken)`, a test of it, and differences of sets of keys count.

All this is kept beside the objects and not in the store: what has happened to a dict in one branch has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ckptlint.analysis.events import CopyEvent
from ckptlint.analysis.guards import Guard
from ckptlint.analysis.key_edits_names import inside
from ckptlint.analysis.machine import Machine, MemberTest
from ckptlint.analysis.objects import KeyHistory
from ckptlint.analysis.values import (
    NONE,
    Const,
    Content,
    Key,
    Keys,
    Opaque,
    Ref,
    Site,
    TensorValue,
    Value,
    alternatives,
)
from ckptlint.facts import ir

#: What people call to tell somebody, or to remember what is to be told.
TELLING = frozenset(
    ("print", "warn", "warning", "warning_once", "info", "debug", "error", "exception", "critical", "log", "write",
     "append", "add", "rank_zero_info", "rank_zero_warn", "print_rank_0", "main_print", "logging", "echo", "extend")
)  # fmt: skip

_MEMBER = "key is in "
_MOST_OBJECTS = 60


def history(machine: Machine, ref: Ref) -> KeyHistory:
    """What has happened to the keys of a dict."""
    info = machine.info(ref)
    if info.history is None:
        info.history = KeyHistory()
    return info.history


def dicts_in(value: Value) -> list[Ref]:
    """The dicts that a value is, or is a view of."""
    found = (plain.owner if isinstance(plain, Keys) else plain for _, plain in alternatives(value))
    return list(dict.fromkeys(one for one in found if isinstance(one, Ref) and one.id))


# --- tests of membership -------------------------------------------------------------------------------------------


def asked(machine: Machine, item: Value, container: Value, site: Site | None) -> str | None:
    """The symbol of `item in container`, where that asks whether a key is one of a model's or of a file's."""
    if isinstance(item, Const) or site is None:
        return None
    name = _container(machine, item, container)
    if name is None:
        return None
    symbol = f"{_MEMBER}{name} at {site.file}:{site.unit}:{site.node}"
    machine.notes.member_tests.setdefault(symbol, MemberTest(name, site))
    return symbol


def asked_at(machine: Machine, container: Value, site: Site) -> str | None:
    """The symbol of the test of membership that stands there, of one dict."""
    owners = {f"<object {ref.id}>" for ref in dicts_in(container)}
    tests = machine.notes.member_tests.items()
    found = [symbol for symbol, test in tests if test.site == site and test.container in owners]
    return found[0] if len(found) == 1 else None


def _container(machine: Machine, item: Value, container: Value) -> str | None:
    if isinstance(container, Keys):
        container = container.owner
    if isinstance(container, Ref) and container.id:
        info = machine.info(container)
        if info.kind == "file" or (info.history is not None and (info.history.own or info.history.drawn_from)):
            return f"<object {container.id}>"
    if isinstance(item, Key) and isinstance(container, Opaque):
        return container.symbol
    if isinstance(item, Key) and isinstance(container, Ref):
        # a dict that is written down, or a list of names, is no state dict
        bulk = machine.memory.read(container.id, "*")
        return f"<object {container.id}>" if bulk is not None and bulk != NONE else None
    return None


def tests_of(machine: Machine, guard: Guard, *, negated: bool) -> frozenset[str]:
    """The tests of membership that hold under a guard, or those that do not."""
    known = machine.notes.member_tests
    if not known or not guard:
        return frozenset()
    mine = (one.symbol for one in guard if one.negated is negated and one.symbol.startswith(_MEMBER))
    return frozenset(symbol for symbol in mine if symbol in known)


def run_branch(machine: Machine, test: ir.Expr, cases: Sequence[Guard], action: Callable[[], bool]) -> bool:
    """Do `action`, the branch of `test` for `cases`, and note of which tests of membership it is a branch.

    The guard alone does not tell: `if k not in own` is taken by all keys of a file with another prefix, too, and where
    `own` is one of several dicts, no test holds in all cases.
    """
    failed = frozenset[str]().union(*(tests_of(machine, guard, negated=True) for guard in cases))
    held = frozenset[str]().union(*(tests_of(machine, guard, negated=False) for guard in cases))
    if not failed and not held:
        return action()
    frame = machine.frames[-1]
    asked_here = {machine.site(node) for node in inside(test) if isinstance(node, ir.Compare)}
    before = frame.among, frame.not_among
    frame.among = frame.among.union(one for one in held if machine.notes.member_tests[one].site in asked_here)
    frame.not_among = frame.not_among.union(one for one in failed if machine.notes.member_tests[one].site in asked_here)
    alive = action()
    frame.among, frame.not_among = before
    return alive


def _passed(machine: Machine) -> frozenset[str]:
    """The tests of membership that the keys have passed of which something is made here."""
    return tests_of(machine, machine.guard, negated=False) | machine.frames[-1].among


def is_telling(node: ir.Call) -> bool:
    """`print(...)`, `logger.warning(...)`, `missing.append(...)`."""
    return isinstance(node.func, (ir.Name, ir.Attribute)) and node.func.name in TELLING


def note_told(machine: Machine) -> None:
    """Something is said, or remembered, of a key that is not among those."""
    for symbol in tests_of(machine, machine.guard, negated=True) | machine.frames[-1].not_among:
        _tell(machine, symbol)


def note_asserted(machine: Machine, failing: Sequence[Guard]) -> None:
    """`assert key in loaded`: of a key that is not among those, everybody hears."""
    for guard in failing:
        for symbol in tests_of(machine, guard, negated=True):
            _tell(machine, symbol)


def note_number(machine: Machine) -> None:
    """`loaded += 1`: the keys that are taken, or those that are not, are counted."""
    guard = machine.guard
    failed = tests_of(machine, guard, negated=True) | machine.frames[-1].not_among
    for symbol in failed | tests_of(machine, guard, negated=False):
        _tell(machine, symbol)


def _tell(machine: Machine, symbol: str) -> None:
    container = machine.notes.member_tests[symbol].container
    machine.notes.told.add(container)


def note_counted(machine: Machine, value: Value) -> None:
    """`len(taken)`, `if not taken:`."""
    for ref in dicts_in(value):
        if machine.info(ref).kind in ("dict", "file", "list"):
            history(machine, ref).counted = True


def note_compared(machine: Machine, *values: Value) -> None:
    """`set(own) - set(taken)`: their keys are held against others, all at once."""
    for value in values:
        note_counted(machine, value)
        for ref in dicts_in(value):
            if machine.info(ref).kind in ("dict", "file"):
                history(machine, ref).compared = True


# --- dicts ---------------------------------------------------------------------------------------------------------


def note_own(machine: Machine, ref: Ref) -> None:
    """A dict of a model's own keys, just taken from it."""
    history(machine, ref).own = True


def note_drawn(machine: Machine, target: Ref, source: Value, site: Site | None = None) -> None:
    """All of `source` comes into `target`: a copy, an update, a loop that goes over it."""
    held = machine.info(target).history
    for ref in dicts_in(source):
        if ref != target:
            fresh, held = held is None, held or history(machine, target)
            before = machine.info(ref).history
            if fresh and not machine.info(target).names and before is not None and before.own:
                held.own = True
            held.drawn_from.add(ref.id)
            if held.own and is_from_elsewhere(machine, ref) and held.merged is None:
                held.merged = site
    unknown = any(isinstance(plain, Opaque) for _, plain in alternatives(source))
    if unknown and held is not None and held.own and held.merged is None:
        held.merged = site


def note_copied(machine: Machine, source: Ref, twin: Ref) -> None:
    """A copy of a dict; that of a model's own keys is as good as these."""
    before = machine.info(source).history
    held = history(machine, twin)
    held.drawn_from.add(source.id)
    held.own = held.own or (before is not None and before.own)


def note_made(machine: Machine, made: Ref, tests: frozenset[str], sources: list[Value], values: list[Value]) -> None:
    """A comprehension that goes over `sources`, and takes what passes the tests."""
    for source in sources:
        note_drawn(machine, made, source)
    if machine.info(made).kind == "dict" and not any(_state_dicts_in(machine, source) for source in sources):
        history(machine, made).drawn_from.update(ref.id for ref in _given_own(machine))
    if tests:
        held = history(machine, made)
        held.tests |= tests
        held.loaded = any(_may_be_loaded(value) for value in values)


def _given_own(machine: Machine) -> list[Ref]:
    """The state dicts of models that the function being run was given: what it makes of them are their keys.

    So does `averaged(states)`, which sends names and numbers from process to process and puts them together again.
    """
    given = [ref for value in machine.frames[-1].given for ref in _state_dicts_in(machine, value)]
    return given if all(is_of_a_model(machine, ref) for ref in given) else []


def _state_dicts_in(machine: Machine, value: Value) -> list[Ref]:
    return [ref for ref in dicts_in(value) if machine.info(ref).kind in ("dict", "file")]


def note_put(machine: Machine, target: Ref, index: Value, value: Value, site: Site | None) -> None:
    """`target[key] = value`, in a loop over keys."""
    if machine.info(target).kind != "dict" or isinstance(index, Const):
        return
    around = machine.frames[-1].looping
    tests = _of_others(machine, target, _passed(machine))
    _note_added(machine, target)
    if tests:
        held = history(machine, target)
        held.tests |= tests
        held.loaded = held.loaded or _may_be_loaded(value)
    if target in around and not _is_loaded(value):
        return
    for ref in around:
        if ref != target:
            history(machine, target).drawn_from.add(ref.id)
    known = machine.info(target).history
    if known is None or not known.own or known.merged is not None:
        return
    is_over_loaded = any(is_from_elsewhere(machine, ref) for ref in around if ref != target)
    if _is_loaded(value) or is_over_loaded:
        known.merged, known.one_by_one, known.all_names = site, True, is_over_loaded


def _note_added(machine: Machine, target: Ref) -> None:
    """`else: own[name] = tensor`: what is not in the dict comes into it, and nothing is left out."""
    for symbol in tests_of(machine, machine.guard, negated=True) | machine.frames[-1].not_among:
        if machine.notes.member_tests[symbol].container == f"<object {target.id}>":
            _tell(machine, symbol)


def _of_others(machine: Machine, target: Ref, tests: frozenset[str]) -> frozenset[str]:
    """The tests that pick: `if old in loaded: loaded[new] = loaded.pop(old)` only renames what is there."""
    known = machine.info(target).history
    if not tests or (known is not None and known.own):
        return tests
    itself = f"<object {target.id}>"
    return frozenset(one for one in tests if machine.notes.member_tests[one].container != itself)


def is_picking(machine: Machine, target: Ref) -> bool:
    """Whether only such keys come into a dict here that some other dict has too."""
    return bool(_of_others(machine, target, _passed(machine)))


def _is_loaded(value: Value) -> bool:
    """A tensor out of a file."""
    return any(isinstance(plain, TensorValue) and plain.content.file is not None for _, plain in alternatives(value))


def _may_be_loaded(value: Value) -> bool:
    """A tensor out of a file, or one that is not known; not one that is computed here, a moving average."""
    unknown = [plain.symbol for _, plain in alternatives(value) if isinstance(plain, Opaque)]
    return _is_loaded(value) or any(not symbol.startswith("(") for symbol in unknown)


def note_copy_of_tensor(machine: Machine, tensor: TensorValue, given: Value, site: Site) -> None:
    """`own[name].copy_(tensor)`: a load of one key, by hand."""
    tests = _passed(machine)
    is_own = tensor.content.file is None and tensor.content.shape is not None
    if tests and is_own and _may_be_loaded(given):
        machine.events.copies.append(CopyEvent(site, tests))


# --- questions -----------------------------------------------------------------------------------------------------


def origins(machine: Machine, ref: Ref) -> list[Ref]:
    """The dict and all dicts that its keys have come from, the nearest first."""
    found = [ref]
    for one in found:
        held = machine.info(one).history
        if held is not None and len(found) < _MOST_OBJECTS:
            found += [Ref(number) for number in sorted(held.drawn_from) if Ref(number) not in found]
    return found


def is_from_elsewhere(machine: Machine, ref: Ref) -> bool:
    """Whether keys out of a file, or out of what is not known, are in the dict."""
    return any(_comes_in(machine, one) for one in origins(machine, ref))


def is_fetched(machine: Machine, ref: Ref) -> bool:
    """Whether all files that keys come from are brought from elsewhere: weights that somebody has published."""
    files = [info for one in origins(machine, ref) if (info := machine.info(one)).kind == "file"]
    return bool(files) and all(info.foreign for info in files)


def is_of_a_model(machine: Machine, ref: Ref) -> bool:
    """Whether all keys are out of the state dicts of models in memory."""
    found = origins(machine, ref)
    own = any(held is not None and held.own for held in (machine.info(one).history for one in found))
    return own and not any(_comes_in(machine, one) for one in found)


def is_written_down(machine: Machine, ref: Ref) -> bool:
    """Whether all keys of a dict are names that stand in the code: `{"embedding.weight": tensor}`."""
    info = machine.info(ref)
    plain = bool(info.names) and not any(name.startswith(("*", "{")) for name in info.names)
    return info.kind == "dict" and plain and not info.grown and machine.memory.read(ref.id, "*") == NONE


def _comes_in(machine: Machine, ref: Ref) -> bool:
    info = machine.info(ref)
    if info.kind == "file" or (info.history is not None and info.history.loaded):
        return True
    bulk = machine.memory.read(ref.id, "*")
    if bulk is None:
        return False
    return any(
        plain.file is not None if isinstance(plain, Content) else isinstance(plain, Opaque)
        for _, plain in alternatives(bulk)
    )


def tests_passed(machine: Machine, ref: Ref) -> frozenset[str]:
    """The tests of membership that the keys of a dict have passed, here or where they come from."""
    found: frozenset[str] = frozenset()
    for one in origins(machine, ref):
        held = machine.info(one).history
        found |= held.tests if held is not None else found
    return found


def merged_at(machine: Machine, ref: Ref) -> tuple[Site | None, bool, bool]:
    """Where other keys came in among a model's own, whether one by one, and whether under all names that they have."""
    for one in origins(machine, ref):
        held = machine.info(one).history
        if held is not None and held.merged is not None:
            return held.merged, held.one_by_one, held.all_names or not held.one_by_one
    return None, False, False


def is_told(machine: Machine, tests: frozenset[str]) -> bool:
    """Whether the keys that do not pass are told, or counted."""
    return any(machine.notes.member_tests[symbol].container in machine.notes.told for symbol in tests)


def is_checked(machine: Machine, ref: Ref) -> bool:
    """Whether somebody has asked how many keys of the dict there are, or has told those that are not in it."""
    if is_told(machine, tests_passed(machine, ref)):
        return True
    asked_of = {ref.id}
    for one in origins(machine, ref):
        held = machine.info(one).history
        if f"<object {one.id}>" in machine.notes.told:
            return True
        if held is None:
            continue
        if held.compared:
            return True
        if held.counted and (one.id in asked_of or held.tests):
            return True
        if held.merged is not None:
            asked_of |= held.drawn_from
    return False
