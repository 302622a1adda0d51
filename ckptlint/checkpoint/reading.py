"""What the pickle formats have in common: getting at the pickle's bytes, and judging what it names."""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.machine import Pickle
from ckptlint.checkpoint.model import BadCheckpoint, Problem
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.tree import Walked
from ckptlint.checkpoint.weights_only import IMPORT_FIRST, is_allowed, runs_code
from ckptlint.checkpoint.zip_directory import Member, payload_start, read_member

# A pickle up to this size is read into memory; a larger one (numpy arrays inside) is mapped, and its long strings
# are passed over without being touched.
IN_MEMORY = 64_000_000


class WholePickle(NamedTuple):
    """Bytes in which a pickle begins at `start`."""

    data: bytes
    start: int


class Judged(NamedTuple):
    """The globals that `torch.load(weights_only=True)` refuses, and what there is to say about them."""

    refused: tuple[str, ...]
    problems: tuple[Problem, ...]


def pickle_of_member(source: Source, member: Member) -> WholePickle:
    """The bytes of a pickle that is a record of a zip.

    Raises BadCheckpoint.
    """
    if member.size <= IN_MEMORY or member.method != 0 or source.descriptor is None:
        return WholePickle(read_member(source, member, IN_MEMORY), 0)
    import mmap  # noqa: PLC0415 (only for very large pickles)

    start = payload_start(source, member)
    aligned = start - start % mmap.ALLOCATIONGRANULARITY
    try:
        data = mmap.mmap(source.descriptor, start - aligned + member.size, offset=aligned, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        raise BadCheckpoint(f"{source.name} cannot be mapped: it is cut off, copy it again") from None
    return WholePickle(data, start - aligned)  # type: ignore[arg-type]


def judge(name: str, pickle: Pickle, walked: Walked, *, script: bool = False) -> Judged:
    """Hold the globals of a pickle against what torch accepts.

    Raises BadCheckpoint when it names one that only an attack needs.
    """
    attack = next((found for found in pickle.globals if runs_code(found)), None)
    if attack is not None:
        raise BadCheckpoint(
            f"{name} calls {attack.qualified} when it is loaded: it was made to run code on your machine, "
            "delete it and warn whoever gave it to you"
        )
    if script:
        return Judged((), ())
    refused = tuple(dict.fromkeys(found.qualified for found in pickle.globals if not is_allowed(found)))
    problems: list[Problem] = []
    if refused:
        problems.append(Problem("warning", "weights-only", _refusal(refused)))
    elif pickle.foreign_opcode is not None:
        what = (
            f"it is pickle protocol {pickle.protocol}, and weights_only reads protocol 2"
            if pickle.protocol > 2
            else f"its pickle has an instruction ({bytes([pickle.foreign_opcode])!r}) that weights_only does not know"
        )
        text = (
            f"torch.load refuses it by default since torch 2.6: {what}; `ckptlint repair` writes it as torch.save does "
            "today, or load it with weights_only=False if you trust it"
        )
        problems.append(Problem("warning", "weights-only", text))
    if walked.classes:
        classes = ", ".join(walked.classes[:3]) + (
            f" and {len(walked.classes) - 3} more" if len(walked.classes) > 3 else ""
        )
        problems.append(
            Problem(
                "warning",
                "whole-module",
                f"a whole module was pickled, not its state dict: loading needs the code of {classes} as it was",
            )
        )
    return Judged(refused, tuple(problems))


def _refusal(refused: tuple[str, ...]) -> str:
    module = IMPORT_FIRST.get(refused[0])
    if module is not None:
        return f"torch.load refuses it by default since torch 2.6 unless you `import {module}` first"
    shown = ", ".join(refused[:3])
    more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
    return (
        f"torch.load refuses it by default since torch 2.6, because of {shown}{more}: if you trust the file, "
        f"torch.serialization.add_safe_globals([{shown}]) or weights_only=False"
    )
