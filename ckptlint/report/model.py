"""What a format is given, and how the format of a name is found."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from ckptlint.findings import Applicability, Finding

if TYPE_CHECKING:
    from ckptlint.rules.base import Rule

FORMATS = ("full", "concise", "json", "json-lines", "github", "sarif")
FOR_PEOPLE = ("full", "concise")


class Item(msgspec.Struct, frozen=True):
    """A finding to show. Its paths are relative to the absolute folder `root`; `refusal` says why it was not fixed."""

    root: str
    finding: Finding
    refusal: str | None = None


class Report(msgspec.Struct, frozen=True):
    """Everything that a format may show.

    `text` gives the text of a file by root and relative path, None when it can't be read. `unsafe` says that unsafe
    fixes may be applied; `directory` is the one that paths are shown relative to.
    """

    items: tuple[Item, ...]
    text: Callable[[str, str], str | None]
    rules: Mapping[str, type[Rule]]
    directory: str
    unsafe: bool = False
    color: bool = False

    def shown(self, root: str, path: str) -> str:
        """A path for people: relative when it lies below the directory, else absolute."""
        absolute = absolute_path(root, path)
        below = self.directory.rstrip(os.sep) + os.sep
        return absolute[len(below) :] if absolute.startswith(below) else absolute

    def can_apply(self, finding: Finding) -> bool:
        """Whether `--fix`, with the flags of this run, would apply the fix of a finding."""
        allowed = (Applicability.SAFE, Applicability.UNSAFE) if self.unsafe else (Applicability.SAFE,)
        return finding.fix is not None and finding.fix.applicability in allowed


def absolute_path(root: str, path: str) -> str:
    """The absolute path of a file below a root."""
    return os.path.join(root, path.replace("/", os.sep))


def render(name: str, report: Report) -> str:
    """The report in one of `FORMATS`; ends with a newline unless it is empty."""
    module = importlib.import_module(f"ckptlint.report.{name.replace('-', '_')}")
    text: str = module.render(report)
    return text
