"""Which variant of a topic an error is, by what it said.

    load-argument   `map_location` -> argument-of-load,  `strict` -> argument-of-apply,  `mmap` -> argument-newer
    weights-only    argparse.Namespace -> refused-value, posix.system -> refused-harmful, torch.nn.* -> refused-model

A chooser gives the topic's name and more words for its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ckptlint.why.data import Known

Words = dict[str, str]
Chooser = Callable[[Mapping[str, str], Known], tuple[str, Words]]

_NAME = re.compile(r"^(?:<(?:class|function|built-in function|module) )?'?(?P<name>[\w.<>]+)'?")
_PATHS = ("str", "Path", "PosixPath", "WindowsPath", "PurePosixPath")
_METHODS = ("method", "function", "builtin_function_or_method")
_ENTRIES = ("Tensor", "Parameter", "list", "tuple", "int", "float", "bytes", "bool", "ndarray")
#: Pickles of protocol 4 and 5 begin or go on with these; weights_only reads protocol 2.
_NEWER_PICKLE = "\x8c\x94\x95"


def variant(topic: str, values: Mapping[str, str], known: Known) -> tuple[str, Words]:
    """The topic itself, or the variant of it that fits; and the words that it needs."""
    chooser = _CHOOSERS.get(topic)
    return (topic, {}) if chooser is None else chooser(values, known)


def _argument(values: Mapping[str, str], known: Known) -> tuple[str, Words]:
    argument = values["argument"]
    if argument in known.names.newer:
        belongs, newer = known.names.newer[argument]
        return "argument-newer", {"belongs": belongs, "newer": newer}
    if argument in known.names.of_load:
        return "argument-of-load", {}
    return ("argument-of-apply", {}) if argument == "strict" else ("argument-unknown", {})


def _given(values: Mapping[str, str], _: Known) -> tuple[str, Words]:
    last = values["cls"].rpartition(".")[2]
    words = {"a_cls": f"a {last}"}
    if last in _PATHS:
        return "given-path", words
    if last in _METHODS:
        return "given-method", words
    if last == "NoneType":
        return "given-none", words
    return ("given-entry", words) if last in _ENTRIES else ("given-module", words)


def _refused(values: Mapping[str, str], known: Known) -> tuple[str, Words]:
    match = _NAME.match(values["global"])
    name = match.group("name") if match is not None else values["global"]
    found = next((one for one in known.globals if one.covers(name)), None)
    words = {
        "name": name,
        "module": name.rpartition(".")[0],
        "is_what": ", a class or function of the code that wrote it" if found is None else f", {found.what}",
        "save": "" if found is None else found.save,
    }
    if "module" in values or (found is not None and found.kind == "harmful"):
        return "refused-harmful", words | {"is_what": "" if found is None else words["is_what"]}
    if name.startswith(("builtins.", "__builtin__.")) or "<" in name:
        words["module"] = ""  # there is nothing that could be allowed by name
    kinds = {"model": "refused-model", "torch": "refused-torch"}
    return kinds.get("value" if found is None else found.kind, "refused-value"), words


def _start(values: Mapping[str, str], known: Known) -> tuple[str, Words]:
    first = _character(values)
    start = known.starts.get(first)
    if start is None:
        return "start-unknown", {"shown": repr(first)}
    words = {"start_is": start.what, "start_do": start.do, "start_command": start.command}
    return ("start-pickle" if first in _NEWER_PICKLE else "start-known"), words


def _character(values: Mapping[str, str]) -> str:
    r"""The character at which the unpickler stopped: `<` or `\x1f` as Python shows it, or a number."""
    operand = values.get("operand", "")
    if operand.isdigit() and int(operand) < 256:
        return chr(int(operand))
    shown = re.sub(r"^\\\\+", r"\\", values.get("key", ""))
    if re.fullmatch(r"\\x[0-9a-fA-F]{2}", shown):
        return chr(int(shown[2:], 16))
    return {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\"}.get(shown, shown)


def _entry(values: Mapping[str, str], known: Known) -> tuple[str, Words]:
    entry = values["entry"]
    beside = entry in known.names.entries and entry not in known.names.states
    return ("entry-missing-state" if beside else "entry-missing"), {}


def _gone(values: Mapping[str, str], _: Known) -> tuple[str, Words]:
    module = values["module"]
    top = module.partition(".")[0]
    words = {"top": top}
    if module in ("__main__", "__mp_main__"):
        return "class-gone-main", words
    if top in ("models", "utils", "ultralytics"):
        return "class-gone-yolo", words
    return ("class-gone" if "name" in values else "module-gone"), words


def _built(values: Mapping[str, str], _: Known) -> tuple[str, Words]:
    return "init-arguments", {"argument": values.get("argument", "backbone")}


_CHOOSERS: Mapping[str, Chooser] = {
    "load-argument": _argument,
    "not-a-state-dict": _given,
    "weights-only": _refused,
    "load-key": _start,
    "entry-missing": _entry,
    "class-gone": _gone,
    "module-gone": _gone,
    "init-arguments": _built,
}
