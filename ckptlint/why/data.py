"""The tables of this room, typed: messages.toml, topics.toml and known.toml say what stands in them."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error text, see messages.toml."""

    topic: str
    text: str
    source: str
    since: str = ""
    until: str = ""
    context: str = ""


class Remedy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do: in words, perhaps with Python code or a command for a shell."""

    text: str
    code: str = ""
    command: str = ""


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an error means, see topics.toml."""

    title: str
    what: str
    rules: tuple[str, ...] = ()
    do: tuple[Remedy, ...] = ()


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How files begin that are no checkpoints."""

    first: str
    what: str
    do: str
    command: str = ""


class Global(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a class or function in a pickle is."""

    names: tuple[str, ...]
    what: str
    save: str = ""
    kind: str = "value"

    def covers(self, name: str) -> bool:
        """Whether one of the names is this one."""
        return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in self.names)


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys that come and go for one known reason."""

    where: str
    keys: tuple[str, ...]
    what: str
    fix: str
    rename: tuple[str, ...] = ()


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names that wrappers, losses, checkpoints and optimizers use."""

    wrappers: tuple[str, ...]
    losses: str
    entries: frozenset[str]
    states: tuple[str, ...]
    optimizer_entries: frozenset[str]
    module_methods: frozenset[str]
    extensions: tuple[str, ...]
    newer: dict[str, tuple[str, str]]
    of_load: tuple[str, ...]


class Known(msgspec.Struct, frozen=True):
    """Everything that is known."""

    messages: tuple[Message, ...]
    topics: dict[str, Topic]
    starts: dict[str, Start]
    globals: tuple[Global, ...]
    families: tuple[Family, ...]
    names: Names


class _Table(msgspec.Struct):
    message: tuple[Message, ...] = ()
    topic: dict[str, Topic] = {}
    start: tuple[Start, ...] = ()
    globals: tuple[Global, ...] = msgspec.field(name="global", default=())
    family: tuple[Family, ...] = ()
    names: Names | None = None


def load_known() -> Known:
    """Read the tables."""
    folder = Path(__file__).parent
    messages, topics, known = (
        msgspec.convert(tomllib.loads((folder / f"{name}.toml").read_text("utf-8")), _Table)
        for name in ("messages", "topics", "known")
    )
    assert known.names is not None
    return Known(
        messages=messages.message,
        topics=topics.topic,
        starts={start.first: start for start in known.start},
        globals=known.globals,
        families=known.family,
        names=known.names,
    )
