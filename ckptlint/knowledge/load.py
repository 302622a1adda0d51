"""Read the knowledge files into one table that is asked by dotted name.

knowledge.wrapper("torch.nn.DataParallel").token   ->  "module"
knowledge.wrapper("mmcv.parallel.MMDataParallel")  ->  found by the pattern "*DataParallel"
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import msgspec

from ckptlint.knowledge.entries import (
    Collective,
    Entries,
    Entry,
    Fetch,
    Gather,
    Layer,
    Load,
    Loss,
    Pick,
    Preparer,
    ProcessGroup,
    RankZero,
    Save,
    Through,
    Unwrap,
    Wrapper,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = (
    "wrappers.toml",
    "losses.toml",
    "layers.toml",
    "calls.toml",
    "modules.toml",
    "processes.toml",
    "training.toml",
    "pickles.toml",
)

E = TypeVar("E", bound=Entry)


class Knowledge:
    """All entries, by dotted name."""

    def __init__(self, entries: list[Entries]) -> None:
        self._by_kind: dict[type[Any], dict[str, Any]] = {}
        self._patterns: list[tuple[str, Wrapper]] = []
        self.preparers: dict[tuple[str, str], Preparer] = {}
        self.module = next(one.module for one in entries if one.module is not None)
        self.ranks = next(one.ranks for one in entries if one.ranks is not None)
        self.keeps = next(one.keeps for one in entries if one.keeps is not None)
        self.rates = next(one.rates for one in entries if one.rates is not None)
        self.roles = tuple(role for one in entries for role in one.role)
        self.pickles = next(one.pickles for one in entries if one.pickles is not None)
        made = [(call, one.kind) for group in entries for one in group.made for call in one.calls]
        self._made = {call: kind for call, kind in made if "*" not in call}
        self._made_by_pattern = [(call, kind) for call, kind in made if "*" in call]
        self.saved = tuple(saved for one in entries for saved in one.saved)
        for one in entries:
            for group in (
                one.wrapper,
                one.loss,
                one.layer,
                one.save,
                one.load,
                one.fetch,
                one.through,
                one.pick,
                one.unwrap,
                one.gather,
                one.process_group,
                one.rank_zero,
                one.collective,
            ):
                for entry in group:
                    self._add(entry)
            for preparer in one.preparer:
                for owner in preparer.owners:
                    for method in preparer.methods:
                        self.preparers[(owner, method)] = preparer

    def _add(self, entry: Entry) -> None:
        table = self._by_kind.setdefault(type(entry), {})
        for name in (*entry.names, *entry.methods):
            if name.startswith("*"):
                assert isinstance(entry, Wrapper)
                self._patterns.append((name[1:], entry))
            else:
                table[name] = entry

    def _find(self, kind: type[E], name: str) -> E | None:
        found: E | None = self._by_kind.get(kind, {}).get(name)
        return found

    def wrapper(self, name: str) -> Wrapper | None:
        """The wrapper of that name, by its exact name or by a pattern on its end."""
        found = self._find(Wrapper, name)
        if found is None:
            last = name.rpartition(".")[2]
            found = next((wrapper for end, wrapper in self._patterns if last.endswith(end)), None)
        return found

    @property
    def with_extra(self) -> list[tuple[str, tuple[str, ...]]]:
        """The wrappers with tensors of their own: the name of the class, without its module, and those tensors."""
        wrappers = self._by_kind.get(Wrapper, {}).items()
        return [(name.rpartition(".")[2], wrapper.extra) for name, wrapper in wrappers if wrapper.extra]

    def loss(self, name: str) -> Loss | None:
        """The loss of that name; torch.nn.modules.loss.X is torch.nn.X."""
        return self._find(Loss, _short(name))

    def layer(self, name: str) -> Layer | None:
        """The layer of that name."""
        return self._find(Layer, _short(name))

    def save(self, name: str) -> Save | None:
        """The call of that name that writes a file."""
        return self._find(Save, name)

    def load(self, name: str) -> Load | None:
        """The call of that name that reads a file."""
        return self._find(Load, name)

    def fetch(self, name: str) -> Fetch | None:
        """The call of that name that brings something from elsewhere."""
        return self._find(Fetch, name)

    def through(self, name: str) -> Through | None:
        """The call of that name that gives its argument back."""
        return self._find(Through, name)

    def pick(self, name: str) -> Pick | None:
        """The call of that name that picks keys."""
        return self._find(Pick, name)

    def unwrap(self, name: str) -> Unwrap | None:
        """The call of that name that unwraps a module."""
        return self._find(Unwrap, name)

    def gather(self, name: str) -> Gather | None:
        """The call of that name that gathers a state dict."""
        return self._find(Gather, name)

    def process_group(self, name: str) -> ProcessGroup | None:
        """The call of that name that joins a group of processes."""
        return self._find(ProcessGroup, name)

    def rank_zero(self, name: str) -> RankZero | None:
        """The decorator of that name that keeps all processes but the first from a function."""
        return self._find(RankZero, name)

    def collective(self, name: str) -> Collective | None:
        """The call of that name that waits for all processes."""
        return self._find(Collective, name)

    def made(self, name: str) -> str:
        """The class of what a call from outside gives, "" where it is not known."""
        found = self._made.get(name)
        if found is None:
            found = next((kind for call, kind in self._made_by_pattern if _fits(name, call)), "")
        return found

    def is_plain(self, name: str) -> bool:
        """Whether torch.load takes objects of the class with weights_only=True."""
        return any(_fits(name, pattern) for pattern in self.pickles.plain)

    def is_other(self, name: str) -> bool:
        """Whether what the class or function of that name makes is known to be no module: an optimizer, a loader."""
        return any(
            name.startswith(pattern[:-1]) if pattern.endswith("*") else name.endswith(pattern[1:])
            for pattern in self.module.others
        )

    def is_module_class(self, name: str) -> bool:
        """Whether a class from outside is an nn.Module, as far as its name tells."""
        short = _short(name)
        if short.partition(".")[0] in self.module.frameworks:
            return False
        if short.startswith("torch.nn."):
            last = short.rpartition(".")[2]
            return last[:1].isupper() and last not in ("Parameter", "ParameterList", "UninitializedParameter")
        return any(
            short.endswith(pattern[1:]) if pattern.startswith("*") else short == pattern
            for pattern in self.module.classes
        )


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _short(name: str) -> str:
    if name.startswith("torch.nn.modules."):
        return "torch.nn." + name.rpartition(".")[2]
    return name


def load_knowledge(added: Entries | None = None) -> Knowledge:
    """The knowledge that ckptlint ships, and what a user adds to it."""
    return Knowledge([*_shipped()] if added is None else [*_shipped(), added])


@cache
def _shipped() -> tuple[Entries, ...]:
    folder = resources.files("ckptlint.knowledge")
    return tuple(msgspec.convert(tomllib.loads((folder / file).read_text("utf-8")), Entries) for file in FILES)
