"""What a verification found, as plain values: the text and the JSON of `ckptlint verify` are made from them."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing to say. `severity` is "error" (exit code 1), "warning" or "note"; `code` is a stable short name."""

    severity: str
    code: str
    message: str


class Side(msgspec.Struct, frozen=True):
    """What one side has of a key: dtype, and the shape where it is a tensor."""

    dtype: str
    shape: tuple[int, ...] | None


class Mismatch(msgspec.Struct, frozen=True):
    """A key that both sides have, and not alike."""

    key: str
    file: Side
    model: Side


class Keys(msgspec.Struct, frozen=True):
    """The comparison before anything is loaded. `tolerated` are missing keys that torch does not ask for.

    `torch_says` is the text of a strict `load_state_dict`, word for word; None where it accepts the keys.
    """

    fitting: int
    missing: dict[str, Side]
    unexpected: dict[str, Side]
    mismatched: tuple[Mismatch, ...]
    converted: tuple[Mismatch, ...]
    tolerated: tuple[str, ...]
    torch_says: str | None
    lines: tuple[str, ...]


class Mended(msgspec.Struct, frozen=True):
    """The smallest mend: what it does, the command and the code that apply it, and what came of trying it.

    `share` is the part of the model's elements that it restores; `strict` whether torch accepted the mended keys.
    """

    does: tuple[str, ...]
    flags: str
    command: str
    code: tuple[str, ...]
    share: float
    strict: bool


class Limits(msgspec.Struct, frozen=True):
    """Bytes a second that this machine reached in the same run: reading the file again, and copying pinned memory."""

    read: float | None = None
    copy: float | None = None


class Loaded(msgspec.Struct, frozen=True):
    """The load. `way` is "arena", "torch" or "dcp", `because` why it was not the arena. Bytes and seconds.

    `device_peak` is the most memory that torch had on a GPU, `host_peak` the most that the process had in RAM.
    """

    way: str
    because: str
    nbytes: int
    seconds: float
    limits: Limits
    device_peak: int | None
    host_peak: int


class Checked(msgspec.Struct, frozen=True):
    """What held on the device. `accepted` is the answer of load_state_dict, `mended` whether the mend was applied.

    `share` is the part of the parameters (by elements) that hold the file's values afterwards. `reference` says what
    they were compared with.
    """

    nan: dict[str, int]
    infinite: dict[str, int]
    strict: bool
    accepted: bool
    mended: bool
    refusal: str | None
    unequal: tuple[str, ...]
    compared: int
    reference: str
    restored: int
    parameters: int

    @property
    def share(self) -> float:
        """The part of the parameters that was restored; 1 for a model that has none."""
        return self.restored / self.parameters if self.parameters else 1.0


class Forwarded(msgspec.Struct, frozen=True):
    """One forward pass: the shape that went in, what came out in words, and whether that was finite."""

    shape: tuple[int, ...]
    output: str
    finite: bool
    seconds: float


class Verification(msgspec.Struct, frozen=True):
    """Everything about one file and one model."""

    path: str
    format: str
    model: str
    entry: str
    also_fits: tuple[str, ...]
    built_on: str
    built_because: str
    device: str
    processes: int
    strict: bool
    keys: Keys
    mend: Mended | None
    loaded: Loaded | None
    checked: Checked | None
    forwarded: Forwarded | None
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether the exit code is 1."""
        return any(finding.severity == "error" for finding in self.findings)


def as_json(found: tuple[Verification, ...]) -> str:
    """One object for one file; a list for those of the configuration."""
    objects = [{**msgspec.to_builtins(one), "failed": one.failed} for one in found]
    for made in objects:
        made["keys"].pop("lines")
    return msgspec.json.format(msgspec.json.encode(objects[0] if len(objects) == 1 else objects), indent=1).decode()
