"""What is said on standard error; standard output is for findings alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO


class Talk:
    """Talks to the person, as much as `-q` and `-v` allow."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose

    def warn(self, text: str) -> None:
        """Something that the user should know, even with --quiet."""
        print(f"ckptlint: warning: {text}", file=sys.stderr)

    def remarks(self, texts: Iterable[str]) -> None:
        """What went wrong without harm to the findings."""
        for text in texts:
            self.warn(text)

    def summary(self, text: str) -> None:
        """The last lines; not with --quiet."""
        if not self._quiet:
            print(text, file=sys.stderr)

    def detail(self, text: str) -> None:
        """Only with --verbose."""
        if self._verbose:
            print(f"ckptlint: {text}", file=sys.stderr)


def wants_color(choice: str | None, stream: TextIO) -> bool:
    """Whether a stream gets colours: `--color`, else NO_COLOR, else FORCE_COLOR, else whether it is a terminal."""
    if choice in ("always", "never"):
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") != "0":
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def count(number: int, noun: str, plural: str = "") -> str:
    """ "1 finding", "2 findings"; "2 fixes" where that is how they are called."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
