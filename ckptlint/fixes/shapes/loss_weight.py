"""The weight of a loss leaves the state dict, and files that still hold it go on loading.

    self.ce = nn.CrossEntropyLoss(weight=weight)

becomes

    self.ce = nn.CrossEntropyLoss(weight=weight)
    self.ce.register_buffer("weight", self.ce.weight, persistent=False)
    self.register_load_state_dict_pre_hook(drop_ce_weight)

with a function at module level, so that the model can still be pickled:

    def drop_ce_weight(module, state_dict, prefix, *args):
        state_dict.pop(prefix + "ce.weight", None)

torch hands each module a copy of the dict that it loads, so the caller's own stays whole; `prefix` is the module's
place in the model that is loaded. Before torch 2.5 the hook was private and did not get the module.
"""

from __future__ import annotations

import re

import msgspec

from ckptlint.findings import Edit, Span
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.statements import after
from ckptlint.fixes.shapes.top_level import with_function


class LossWeight(msgspec.Struct, frozen=True):
    """A loss with a weight that a module registers.

    `statement` is where, `owner` the name of the module there (`self`), `loss` the dotted name of the loss below it
    (`ce`, `criterion.nll_loss`), `buffers` the names of what it keeps (`weight`, `pos_weight`).
    """

    statement: Span
    owner: str
    loss: str
    buffers: tuple[str, ...] = ("weight",)


def not_saved(file: File, found: LossWeight, torch: tuple[int, int]) -> tuple[Edit, ...]:
    """The edits for a project that runs on `torch` and later."""
    public = torch >= (2, 5)
    name, added = with_function(file, _function_name(found), _function(found, public))
    register = "register_load_state_dict_pre_hook" if public else "_register_load_state_dict_pre_hook"
    loss = f"{found.owner}.{found.loss}"
    named = [(buffer, file.quoted(buffer)) for buffer in found.buffers]
    lines = [f"{loss}.register_buffer({name}, {loss}.{buffer}, persistent=False)" for buffer, name in named]
    put = after(file, found.statement, [*lines, f"{found.owner}.{register}({name})"])
    return (*added, put)


def _function_name(found: LossWeight) -> str:
    return f"drop_{re.sub(r'[^0-9a-zA-Z]+', '_', found.loss).strip('_').lower()}_{'_and_'.join(found.buffers)}"


def _function(found: LossWeight, public: bool) -> str:
    parameters = "module, state_dict, prefix, *args" if public else "state_dict, prefix, *args"
    pops = "".join(f'\n    state_dict.pop(prefix + "{found.loss}.{buffer}", None)' for buffer in found.buffers)
    return (
        f"def {{name}}({parameters}):\n"
        f'    """Load files that still hold the weight of the loss: it is made anew with the model."""{pops}'
    )
