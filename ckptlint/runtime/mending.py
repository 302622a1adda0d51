"""The mend that `ckptlint repair --for` takes: what verify finds to make a file fit a model, without the load."""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.key_edits import KeyEdits
from ckptlint.failure import Failure
from ckptlint.runtime.comparing import look_for_mend
from ckptlint.runtime.factory import Factory
from ckptlint.runtime.verify import compare


class ChosenMend(NamedTuple):
    """The edits, the state dict that they are for, whether that is a pickled module, and what is to be said."""

    edits: KeyEdits
    entry: str
    whole_module: bool
    lines: tuple[str, ...]


def mend_for(path: str, factory: Factory, entry: str | None) -> ChosenMend:
    """The smallest mend that makes the file fit the model.

    Raises Failure when it fits as it is, or no mend does.
    """
    compared = compare(path, factory, entry)
    checkpoint, built, expected, choice, keys = compared
    if keys.torch_says is None:
        raise Failure(f"{path} fits {factory.name} as it is: there is nothing to mend")
    found = look_for_mend(built.model, expected, choice, checkpoint, keys)
    if found is None:
        raise Failure(
            f"no renaming or dropping makes {path} fit {factory.name}: {keys.fitting:,} of {len(expected):,} keys fit, "
            "it is probably a checkpoint of another model (`ckptlint verify` lists the keys)"
        )
    mend, mended = found
    rest = "a strict load accepts it then" if mended.strict else "load it with strict=False then"
    whole = any(one.name == choice.entry and one.kind == "module" for one in checkpoint.entries)
    return ChosenMend(mend.edits, choice.entry, whole, (*mended.does, rest))
