"""What the run saw happen to state dicts whose tensors are the model's own.

    best = model.state_dict()          # KeptEvent: a `Taken`, held by the name `best`
    train(model)                       # the model's tensors change, and those of `best` with them
    torch.save(best, path)             # LiveUseEvent, "saved"

They are a part of `events`, apart because objects remember them too. `live` decides what they mean.
"""

from __future__ import annotations

import msgspec

from ckptlint.analysis.guards import Guard
from ckptlint.analysis.values import Site


class Taken(msgspec.Struct, frozen=True):
    """A state dict whose tensors are the model's own, so that training goes on changing them.

    `site` is the `.state_dict()` call, `kept` the expression that gave the dict as it is kept: a shallow copy changes
    nothing. `modules` name the modules that it was taken from, without their wrappers. `loops` are the loops that it
    was taken in, and that the module outlives, `around` all loops; `trained` is what the clock of training showed.
    `on_gpu`: the model is not, or need not be, on the CPU; `moved`: the tensors went through `.cpu()`.
    """

    site: Site
    kept: Site
    modules: frozenset[str]
    loops: tuple[int, ...]
    guard: Guard
    trained: int
    function: tuple[str, int, int] | None
    on_gpu: bool = False
    moved: bool = False
    around: tuple[int, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """Where a state dict is kept: the attribute `name` of an object, whose classes are `classes`, or a local name.

    `owner` is the object or the scope.
    """

    owner: int
    name: str
    classes: frozenset[int] = frozenset()
    attribute: bool = False


class KeptEvent(msgspec.Struct, frozen=True):
    """A live state dict gets a name."""

    taken: Taken
    held: Held


class LiveUseEvent(msgspec.Struct, frozen=True):
    """A state dict is used: `how` is "restored" (into `modules`), "saved" or "returned".

    `taken` are the live ones that it can be here, `others` whether it can be anything else; `held` is where it was
    kept, if it is read from there. `functions` are those being run, `loops` and `trained` as in `Taken`.
    """

    site: Site
    how: str
    taken: tuple[Taken, ...]
    modules: frozenset[str]
    held: Held | None
    loops: tuple[int, ...]
    trained: int
    functions: tuple[tuple[str, int, int], ...]
    others: bool = False


class ModelKeptEvent(msgspec.Struct, frozen=True):
    """`best_model = model` inside a loop: the object itself, which was made before the loop."""

    site: Site
    name: str
    attribute: bool
    loops: tuple[int, ...]
    guard: Guard
