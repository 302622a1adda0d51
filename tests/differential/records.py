"""What a run of a generated script showed: plain values, no torch in them."""

from __future__ import annotations

import msgspec

from .project import Setting


class Site(msgspec.Struct, frozen=True, order=True):
    """The rows of a call in a project file, from 1, both inclusive."""

    path: str
    row: int
    end_row: int

    def has(self, path: str, row: int) -> bool:
        return self.path == path and self.row <= row <= self.end_row


class SavedKey(msgspec.Struct, frozen=True):
    """One tensor of a file: its key there, the `.state_dict()` call it came from, and what its key carries.

    `wrappers` are the kinds of wrapper ("dp", "ddp", "compile", "averaged") whose segment is in the key; `loss` says
    that it is the weight of a loss; `bare` is the key without any wrapper, as the model itself calls it.
    """

    name: str
    bare: str
    site: Site | None
    wrappers: tuple[str, ...]
    loss: bool


class Save(msgspec.Struct, frozen=True):
    """One call of torch.save."""

    file: str
    site: Site | None
    keys: tuple[SavedKey, ...]


class Load(msgspec.Struct, frozen=True):
    """One call of load_state_dict.

    `restored` of `total` parameters took a value of a loaded file; parameters that had such a value before are left
    out. `raised` is the error's text, or "".
    """

    site: Site | None
    raised: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    restored: int
    total: int
    from_file: bool


class Failure(msgspec.Struct, frozen=True):
    """The exception that ended a script: "load" (from load_state_dict), "attribute", or "other" (our own mistake)."""

    kind: str
    text: str
    site: Site | None


class Outcome(msgspec.Struct, frozen=True):
    """One script run to its end."""

    saves: tuple[Save, ...]
    loads: tuple[Load, ...]
    failure: Failure | None


class Run(msgspec.Struct, frozen=True):
    """A reader (or the writer, with `reading` None) run in its setting, on the files of a writer's setting."""

    writing: Setting
    reading: Setting | None
    outcome: Outcome


class Evidence(msgspec.Struct, frozen=True):
    """All settings of a project."""

    writers: tuple[Run, ...]
    readers: tuple[Run, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.writers + self.readers
