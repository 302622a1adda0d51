"""Branches and handlers in which a load that did not happen is only talked about.

    if os.path.isfile(args.resume):                    try:
        model.load_state_dict(...)                         model.load_state_dict(...)
    else:                                              except RuntimeError as error:
        print("no checkpoint found")   <- missing          print(error)                  <- failed

Both are noted where they are run; whether there is a load on the other side, and whether somebody has asked for it, is
asked later, see `swallowed`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ckptlint.analysis import picks
from ckptlint.analysis.events import ApplyEvent, CopyEvent, LoadEvent, SilenceEvent
from ckptlint.analysis.guards import Guard
from ckptlint.analysis.key_edits_names import inside
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Opaque, Site, Value, alternatives
from ckptlint.facts import ir

_EXISTS = frozenset(("isfile", "exists", "is_file", "isdir", "is_dir"))

#: Handlers of these are for a load that fails, those of the others for a file that is not there.
_OF_LOADS = frozenset(("RuntimeError", "Exception", "BaseException", "*", "KeyError", "ValueError", "UnpicklingError"))
_OF_FILES = frozenset(("FileNotFoundError", "OSError", "IOError", "EOFError"))

CRITERION = "criterion"
_CRITERION = re.compile(r"(?i)criterion|loss(?:es)?(?:_fn|_func)?$")

_TALK = picks.TELLING - {"append", "add", "extend", "write"} | {"print_exc", "Warning", "print_exception"}


def tested_path(test: ir.Expr) -> tuple[ir.Expr, bool] | None:
    """The path of `os.path.isfile(path)`, and whether the test holds where the file is there."""
    if isinstance(test, ir.Unary) and test.op == "not":
        inner = tested_path(test.operand)
        return (inner[0], not inner[1]) if inner is not None else None
    if not isinstance(test, ir.Call) or not isinstance(test.func, ir.Attribute) or test.func.name not in _EXISTS:
        return None
    if test.args:
        return test.args[0].value, True
    return test.func.value, True


def note_missing(machine: Machine, path: Value, guards: Sequence[Guard], absent: Sequence[ir.Stmt]) -> None:
    """An `if` that asks for a file, and only talks where it is `absent`; `guards` hold where the file is there."""
    talk = _talk(absent)
    if talk is None:
        return
    symbols = frozenset(one.symbol for guard in guards for one in guard if _asks_for_a_file(one.symbol))
    opaque = [plain.symbol for _, plain in alternatives(path) if isinstance(plain, Opaque) and not plain.fresh]
    if symbols and opaque:
        site = machine.site(talk)
        machine.events.silences.append(
            SilenceEvent(site, "missing", machine.run, symbols=symbols, path=opaque[0], text=_text(absent))
        )


def _asks_for_a_file(symbol: str) -> bool:
    return any(f"{word}(" in symbol for word in _EXISTS)


def note_failed(machine: Machine, node: ir.Try, applies: int, loads: int, copies: int) -> None:
    """A `try` around loads, those after the given numbers of events, with handlers that only talk."""
    events = machine.events
    tried: list[ApplyEvent | LoadEvent | CopyEvent] = [*events.applies[applies:], *events.copies[copies:]]
    here = [one for one in tried if _is_near(machine, one) and not _is_from_memory(machine, one)]
    files = [one for one in events.loads[loads:] if one.file and _is_near(machine, one)]
    if not here and not files:
        return
    roles = _roles(machine, node, here)
    for handler in node.handlers:
        talk = _talk(handler.body, silent=True)
        if roles == (CRITERION,) and isinstance(talk, ir.Call):
            continue  # a loss is part of the task: another task has another one, and that is said here
        names = frozenset(_caught(handler.exception))
        if talk is not None and names & (_OF_LOADS | _OF_FILES):
            event = SilenceEvent(
                machine.site(handler),
                "failed" if names & _OF_LOADS else "missing",
                machine.run,
                files=frozenset(one.file for one in files),
                loads=frozenset(one.site for one in here),
                path=next((one.path.symbol for one in files if isinstance(one.path, Opaque)), ""),
                text=_text(handler.body),
                roles=roles,
                read_before=len(events.loads),
            )
            events.silences.append(event)


def _roles(machine: Machine, node: ir.Try, loads: Sequence[ApplyEvent | LoadEvent | CopyEvent]) -> tuple[str, ...]:
    """What the loads of the body load, by the names that it has there; nothing where one of them may be a model."""
    called = {
        one.id: one.func.value.name
        for statement in node.body
        for one in inside(statement)
        if isinstance(one, ir.Call)
        and isinstance(one.func, ir.Attribute)
        and isinstance(one.func.value, (ir.Name, ir.Attribute))
    }
    found = [_role(machine, called.get(one.site.node, "")) for one in loads]
    return tuple(sorted(set(found))) if all(found) else ()


def _role(machine: Machine, name: str) -> str:
    if _CRITERION.search(name):
        return CRITERION
    return "scaler" if name.lower().endswith("scaler") else machine.roles.of_symbol(name)


def _is_near(machine: Machine, event: ApplyEvent | LoadEvent | CopyEvent) -> bool:
    """Whether the load stands in the code that is being run, or in a function that this calls."""
    frame = machine.frames[-1]
    stack: tuple[Site, ...] = () if isinstance(event, CopyEvent) else event.stack[-1:]
    return any((site.file, site.unit) == (frame.file, frame.unit) for site in (event.site, *stack))


def _is_from_memory(machine: Machine, event: ApplyEvent | LoadEvent | CopyEvent) -> bool:
    """Whether a model gets what a model in memory has: nothing of a file is lost where that fails."""
    held = [one.held for one in event.sources] if isinstance(event, ApplyEvent) else []
    return bool(held) and all(one is not None and picks.is_of_a_model(machine, one) for one in held)


def _caught(exception: ir.Expr | None) -> list[str]:
    if exception is None:
        return ["*"]
    if isinstance(exception, (ir.Name, ir.Attribute)):
        return [exception.name]
    return [name for item in exception.items for name in _caught(item)] if isinstance(exception, ir.Collection) else []


def _talk(block: Sequence[ir.Stmt], *, silent: bool = False) -> ir.Node | None:
    """The first statement's expression of a block that does nothing but talk; `silent`: nor even that."""
    calls = [one.value for one in block if isinstance(one, ir.ExprStmt)]
    rest = [one for one in block if not isinstance(one, ir.ExprStmt)]
    if not all(_talks(one) for one in calls):
        return None
    if any(not (isinstance(one, ir.Jump) and one.kind == "pass") for one in rest):
        return None
    return calls[0] if calls else block[0] if silent and block else None


def _talks(node: ir.Expr) -> bool:
    if isinstance(node, ir.Const):
        return isinstance(node.value, str)
    return isinstance(node, ir.Call) and isinstance(node.func, (ir.Name, ir.Attribute)) and node.func.name in _TALK


def _text(block: Sequence[ir.Stmt]) -> str:
    """What is said, as far as it is written down."""
    return " ".join(
        one.value
        for statement in block
        for one in inside(statement)
        if isinstance(one, ir.Const) and type(one.value) is str
    )
