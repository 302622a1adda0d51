"""A checkpoint against a model, from the first byte to the last check.

    keys, shapes, dtypes and torch's own answer (nothing loaded yet)  ->  the smallest mend
    tensors onto the device  ->  finite?  ->  load_state_dict  ->  equal to the file?  ->  how much was restored

A step that cannot be done ends the run (`Failure`, exit code 2); a step that goes wrong is a finding (exit code 1), and
what can still be said after it is said.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import torch
from torch import nn

from ckptlint.checkpoint.machine import collector_paused
from ckptlint.checkpoint.mends import Mend
from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.model_fit import Member
from ckptlint.checkpoint.places import is_a_bomb, locate
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.checkpoint.source import is_remote
from ckptlint.failure import Failure
from ckptlint.runtime import memory
from ckptlint.runtime.choice import Choice, choose_entry
from ckptlint.runtime.comparing import compare_keys, look_for_mend, mended_metadata
from ckptlint.runtime.device import find_device
from ckptlint.runtime.expected import expected_members, state_of
from ckptlint.runtime.factory import Built, Factory
from ckptlint.runtime.forward import Input, run_forward
from ckptlint.runtime.judging import judge
from ckptlint.runtime.limits import measure_limits
from ckptlint.runtime.loading import OnDevice, load_entry, tensors_of
from ckptlint.runtime.processes import Processes
from ckptlint.runtime.restoring import count_restored, restore
from ckptlint.runtime.result import Checked, Forwarded, Keys, Loaded, Verification
from ckptlint.runtime.torch_loading import CannotLoadError
from ckptlint.runtime.values import Reference, find_not_finite, same_values


class Request(NamedTuple):
    """What is to be verified: a file, the model, the state dict in the file (None: the one that fits), the device,
    what `load_state_dict` is given as strict, and the input of a forward pass, if there is to be one."""

    path: str
    factory: Factory
    entry: str | None
    device: str
    strict: bool
    forward: Input | None


class Compared(NamedTuple):
    """What is known before anything is loaded."""

    checkpoint: Checkpoint
    built: Built
    expected: dict[str, Member]
    choice: Choice
    keys: Keys


class Held(NamedTuple):
    """The model's keys that hold the file's values, those that do not, those of which that cannot be told (quantized
    tensors), and what they were compared with."""

    equal: frozenset[str] = frozenset()
    unequal: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    reference: str = ""


class Outcome(NamedTuple):
    """What the load on the device showed; `failure` is why there was none."""

    loaded: Loaded | None = None
    checked: Checked | None = None
    forwarded: Forwarded | str | None = None
    failure: str = ""


def compare(path: str, factory: Factory, entry: str | None) -> Compared:
    """Hold the keys of a file against those of a model.

    Raises Failure when the file cannot be read or the model cannot be built.
    """
    if is_remote(path):
        raise Failure(f"{path} is a remote file: copy it here first")
    with collector_paused():
        checkpoint = locate(open_checkpoint(path))
    if is_a_bomb(checkpoint.tensors, checkpoint.size, ties=False):
        raise Failure(
            f"{path} has {checkpoint.size:,} bytes, and its tensors are views that show them a thousand times: it was "
            "made to keep your machine busy, no model is saved like that"
        )
    built = factory.on_meta()
    expected = expected_members(built.model)
    choice = choose_entry(checkpoint, expected, entry)
    return Compared(checkpoint, built, expected, choice, compare_keys(built.model, expected, choice))


def verify(request: Request, processes: Processes) -> Verification:
    """Do everything; the values of the tensors are looked at on the device.

    Raises Failure when the file cannot be read, the model cannot be built, or there is no such device.
    """
    device = find_device(processes.device(request.device))
    memory.begin(device)
    compared = compare(request.path, request.factory, request.entry)
    checkpoint, built, expected, choice, keys = compared
    found = look_for_mend(built.model, expected, choice, checkpoint, keys)
    mend, mended = found if found is not None else (None, None)
    accepts = mended is not None and mended.strict
    try:
        outcome = _on_device(request, compared, mend, accepts=accepts, device=device)
    except torch.cuda.OutOfMemoryError as error:
        raise Failure(f"{device} has too little memory to verify {request.path}: {error}") from None
    return Verification(
        path=request.path,
        format=checkpoint.format,
        model=request.factory.name,
        entry=choice.entry,
        also_fits=choice.also,
        built_on=built.device,
        built_because=built.because,
        device=str(device),
        processes=processes.count,
        strict=request.strict,
        keys=keys,
        mend=mended,
        loaded=outcome.loaded,
        checked=outcome.checked,
        forwarded=None if isinstance(outcome.forwarded, str) else outcome.forwarded,
        findings=judge(
            checkpoint,
            keys,
            mended,
            outcome.checked,
            outcome.forwarded,
            outcome.failure,
            strict=request.strict,
            parameters=_parameter_names(built.model),
        ),
    )


def _parameter_names(model: nn.Module) -> frozenset[str]:
    return frozenset(name for name, _ in model.named_parameters(remove_duplicate=False))


def _on_device(
    request: Request, compared: Compared, mend: Mend | None, *, accepts: bool, device: torch.device
) -> Outcome:
    """Load, check, restore, compare, run. `accepts`: whether torch takes the mended keys under strict=True."""
    checkpoint, built, expected, choice, keys = compared
    try:
        if checkpoint.format == "distributed":
            # torch.distributed.checkpoint takes most of a second to import.
            from ckptlint.runtime.distributed import load_distributed  # noqa: PLC0415

            here = load_distributed(checkpoint, choice.entry, choice.file, device)
        else:
            here = load_entry(checkpoint, choice.entry, device)
    except CannotLoadError as error:
        return Outcome(failure=str(error))
    state = here.state
    not_finite = find_not_finite({key: value for key, value in state.items() if isinstance(value, torch.Tensor)})
    # As it is where that can work at all, else with the mend: then it is shown that the mend works.
    refused = keys.torch_says is not None and (request.strict or bool(keys.mismatched))
    use = mend if refused else None
    strict = request.strict if use is None else accepts
    given = state if use is None else {new: state[key] for key, new in use.plan.names.items() if new is not None}
    metadata = choice.metadata if use is None else mended_metadata(choice.metadata, use)
    restored = restore(
        request.factory, built, given, expected, metadata, device, strict=strict, real=request.forward is not None
    )
    after = Held()
    if restored.refusal is None:
        after = _against_the_file(checkpoint, choice, here, restored.model, use)
    share = count_restored(restored.model, after.equal | after.unknown)
    checked = Checked(
        nan=not_finite.nan,
        infinite=not_finite.infinite,
        strict=strict,
        accepted=restored.refusal is None,
        mended=use is not None,
        refusal=restored.refusal,
        unequal=after.unequal,
        compared=len(after.equal) + len(after.unequal),
        reference=after.reference,
        restored=share[0],
        parameters=share[1],
    )
    forwarded = None
    if request.forward is not None and restored.refusal is None:
        forwarded = run_forward(restored.model, request.forward, device)
    peak = memory.device_peak(device)
    limits = measure_limits(here.runs, device)
    loaded = Loaded(here.way, here.because, here.nbytes, here.seconds, limits, peak, memory.host_peak())
    return Outcome(loaded, checked, forwarded)


def _against_the_file(
    checkpoint: Checkpoint, choice: Choice, here: OnDevice, model: nn.Module, mend: Mend | None
) -> Held:
    """Read the file again and compare, tensor by tensor."""
    after = state_of(model)
    file = here.reference or Reference(checkpoint, choice.entry, tensors_of(checkpoint, choice.entry))
    answers: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    with Progress("compare", here.nbytes, sys.stderr) as progress:
        for key in choice.file:
            new = key if mend is None else mend.plan.names[key]
            ours = after.get(new) if new is not None else None
            if new is not None and isinstance(ours, torch.Tensor) and ours.device.type != "meta":
                theirs = file.get(key)
                answers[None if theirs is None else same_values(ours, theirs)].append(new)
                progress.advance(0 if theirs is None else theirs.nbytes)
    return Held(frozenset(answers[True]), tuple(answers[False]), frozenset(answers[None]), file.how)
