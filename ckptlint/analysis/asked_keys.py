"""Conditions that ask which keys a file has, in a way that is not followed.

    used = set(model.state_dict()) & set(sd)                          # `sd` came out of a file
    if not used:
        sd = {"features." + k: v for k, v in sd.items()}

Which way such a condition goes is decided by the file. Tests for a prefix or an entry are understood, and settled with
what a writer has put into the file; of any other the answer is not known, so nothing can be said of what comes after
it. The symbol of such a condition names the file: `... of the keys of file 3`. The same holds for the handlers of a
`try` whose body hands the state dict to somebody who may object to it:

    try:
        check_keys(model, sd)
    except AssertionError:
        sd = ...

How many keys there are, and what class the dict is of, do not depend on their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ckptlint.analysis.guards import Guard, Literal
from ckptlint.analysis.key_edits_names import inside
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.scopes import lookup
from ckptlint.analysis.values import Content, Keys, Ref, Value, alternatives
from ckptlint.facts import ir

_KEYS_OF_FILE = re.compile(r"keys of file (\d+)")

#: An object, unless only its length, its class, or one entry of it is looked at, or whether it is filled.
_OBJECT = re.compile(r"(?<!len\()(?<!type\()(?<!isinstance\()<object (\d+)>(?!\[|\.get\(|\.pop\(| is filled)")
_ONLY_SIZE = re.compile(r"(?:len|type|isinstance)\((?:<keys of file \d+>(?: \| )?)+[),]")

#: Symbols that are settled by themselves.
_FOLLOWED = ("key ", "file ", "prefix of file")

#: Calls that object to no key.
_CALM = frozenset(("print", "len", "list", "set", "dict", "OrderedDict", "isinstance", "type", "load_state_dict"))


def files_in(symbol: str) -> frozenset[int]:
    """The files whose keys a symbol speaks of."""
    if "keys of file" not in symbol:
        return frozenset()
    return frozenset(int(number) for number in _KEYS_OF_FILE.findall(_ONLY_SIZE.sub("", symbol)))


def named(machine: Machine, guard: Guard) -> Guard:
    """The guard, with the files in the symbols of what asks about their keys."""
    if not any("<object" in literal.symbol for literal in guard):
        return guard
    return frozenset(_named(machine, literal) for literal in guard)


def _named(machine: Machine, literal: Literal) -> Literal:
    if literal.symbol.startswith(_FOLLOWED) or "keys of file" in literal.symbol:
        return literal
    files = {file for number in _OBJECT.findall(literal.symbol) for file in _files_of(machine, Ref(int(number)))}
    if not files:
        return literal
    return Literal(literal.symbol + _of(files), literal.op, literal.constant, literal.negated)


def handed_on(machine: Machine, body: Sequence[ir.Stmt]) -> str:
    """What the symbol of a failure of these statements ends with: the files whose keys are handed to somebody there."""
    if not any(load.file for load in machine.events.loads):
        return ""
    files: set[int] = set()
    for statement in body:
        for node in inside(statement):
            if isinstance(node, ir.Call) and getattr(node.func, "name", "") not in _CALM:
                for argument in node.args:
                    if isinstance(argument.value, ir.Name):
                        files.update(_files_of(machine, lookup(machine, argument.value.name)))
    return _of(files) if files else ""


def _of(files: set[int]) -> str:
    return " of the " + ", ".join(f"keys of file {file}" for file in sorted(files))


def _files_of(machine: Machine, value: Value) -> Iterator[int]:
    """The files that the keys of a state dict came out of."""
    for _, plain in alternatives(value):
        if isinstance(plain, Keys) and plain.content.file is not None:
            yield plain.content.file
        if not isinstance(plain, Ref) or machine.info(plain).kind not in ("dict", "file"):
            continue
        bulk = machine.memory.read(plain.id, "*")
        for _, content in alternatives(bulk) if bulk is not None else ():
            if isinstance(content, Content) and content.file is not None:
                yield content.file
