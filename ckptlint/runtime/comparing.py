"""Keys, shapes and dtypes of the two sides, torch's own answer to them, and the mend, all before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ckptlint.checkpoint.key_edits import rename_metadata
from ckptlint.checkpoint.mends import Mend, find_mend, mend_lines, renamed
from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.model_fit import Member, fit, table
from ckptlint.checkpoint.recipe import recipe
from ckptlint.runtime.choice import Choice
from ckptlint.runtime.expected import rehearse
from ckptlint.runtime.result import Keys, Mended, Mismatch, Side


def compare_keys(model: nn.Module, expected: Mapping[str, Member], choice: Choice) -> Keys:
    """Compare, and let torch say what a strict load would raise."""
    found = fit(choice.file, expected)
    said = rehearse(model, choice.file, expected, choice.metadata)
    tolerated: tuple[str, ...] = ()
    if said.missing is not None and said.unexpected is not None:
        tolerated = tuple(key for key in found.missing if key not in said.missing)
        found = found._replace(
            missing=tuple(key for key in found.missing if key in said.missing),
            unexpected=tuple(key for key in found.unexpected if key in said.unexpected),
        )
    says = said.says
    if said.missing is None and not found.strict:
        says = _prediction(len(found.missing), len(found.unexpected), len(found.mismatched))
    return Keys(
        len(found.fitting),
        {key: _side(expected[key]) for key in found.missing},
        {key: _side(choice.file[key]) for key in found.unexpected},
        tuple(Mismatch(key, _side(choice.file[key]), _side(expected[key])) for key in found.mismatched),
        tuple(Mismatch(key, _side(choice.file[key]), _side(expected[key])) for key in found.converted),
        tolerated,
        says,
        tuple(table(found, choice.file, expected)),
    )


def _prediction(missing: int, unexpected: int, mismatched: int) -> str:
    parts = [
        f"{count} {what}"
        for count, what in (
            (missing, "Missing key(s) in state_dict"),
            (unexpected, "Unexpected key(s) in state_dict"),
            (mismatched, "size mismatch"),
        )
        if count
    ]
    return "Error(s) in loading state_dict: " + ", ".join(parts)


def _side(member: Member) -> Side:
    return Side(member.dtype, member.shape)


def look_for_mend(
    model: nn.Module, expected: Mapping[str, Member], choice: Choice, checkpoint: Checkpoint, keys: Keys
) -> tuple[Mend, Mended] | None:
    """The smallest mend, tried on the model without data; None where none is needed or none helps."""
    if keys.torch_says is None:
        return None
    mend = find_mend(choice.file, expected)
    if mend is None:
        return None
    metadata = mended_metadata(choice.metadata, mend)
    said = rehearse(model, renamed(choice.file, mend.plan), expected, metadata)
    accepted = mend.strict if said.missing is None else said.says is None
    how = recipe(checkpoint, choice.entry, mend.edits, strict=accepted)
    return mend, Mended(
        tuple(mend_lines(mend)),
        how.flags,
        how.command,
        how.code,
        mend.restored / mend.total if mend.total else 1.0,
        accepted,
    )


def mended_metadata(metadata: object, mend: Mend) -> object:
    """The `_metadata` of the file for the keys of the mend."""
    return rename_metadata(dict(metadata), mend.plan) if isinstance(metadata, dict) else metadata
