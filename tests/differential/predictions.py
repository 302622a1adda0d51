"""The keys that a message says torch will name, held against those that torch named.

A message quotes torch: `Unexpected key(s) in state_dict: "module.conv1.weight", "module.conv1.bias", ...`. A list that
ends in dots is a beginning, otherwise it is the whole list.
"""

from __future__ import annotations

import re

import msgspec

from .answers import Answer
from .records import Evidence
from .truth import final_loads, is_partial, is_silent, saved_keys

_LIST = re.compile(
    r'(Missing|Unexpected) key\(s\) in state_dict: ("[^"]+"(?:, "[^"]+")*)'
    r"(,? ?(?:\.\.\.|…|and \d+ more))?"
)


class Prediction(msgspec.Struct, frozen=True):
    """`whole` is False when the message gives only a beginning."""

    kind: str
    names: tuple[str, ...]
    whole: bool


def predictions_in(message: str) -> tuple[Prediction, ...]:
    return tuple(
        Prediction(kind, tuple(re.findall(r'"([^"]+)"', names)), not more)
        for kind, names, more in _LIST.findall(message)
    )


def wrong_prediction(answer: Answer, evidence: Evidence) -> str:
    """What is wrong with the names in this message, or "".

    CKPT301 speaks of this project's own load: in some setting torch's lists must be as the message says; as an error it
    says that the load fails in every setting. CKPT101, 102 and 201 speak of what is in the file: unexpected names must
    be keys of a file, missing ones such keys without wrappers (CKPT201 may speak of the model without wrappers).
    """
    said = predictions_in(answer.message)
    if answer.code == "CKPT301" and answer.severity == "error" and _works_somewhere(answer, evidence):
        return "an error is a load that always fails, but in some setting everything is restored"
    if not said:
        return ""
    if answer.code == "CKPT301":
        loads = [
            load
            for run in evidence.runs
            for load in final_loads(run)
            if load.site and load.site.has(answer.path, answer.row) and (load.missing or load.unexpected)
        ]
        if not loads or any(all(_fits(one, load.missing, load.unexpected) for one in said) for load in loads):
            return ""
        first = loads[0]
        return f"said {said}, torch: missing {first.missing}, unexpected {first.unexpected}"
    if answer.code not in ("CKPT101", "CKPT102", "CKPT201"):
        return ""
    keys = {key.name for key in saved_keys(evidence)}
    bare = {key.bare for key in saved_keys(evidence)}
    for one in said:
        for name in one.names:
            known = name in keys if one.kind == "Unexpected" else name in bare
            known = known or (answer.code == "CKPT201" and name in bare)
            if keys and not known:
                return f"no file has {name!r}: {sorted(keys)}"
    return ""


def _works_somewhere(answer: Answer, evidence: Evidence) -> bool:
    loads = (load for run in evidence.runs for load in final_loads(run) if load.site)
    here = [load for load in loads if load.site and load.site.has(answer.path, answer.row)]
    return any(load.from_file and not (load.raised or is_silent(load) or is_partial(load)) for load in here)


def _fits(said: Prediction, missing: tuple[str, ...], unexpected: tuple[str, ...]) -> bool:
    actual = set(missing if said.kind == "Missing" else unexpected)
    return set(said.names) == actual if said.whole else set(said.names) <= actual
