"""Colours of the terminal, or none."""

from __future__ import annotations

from ckptlint.findings import Severity

_SEVERITY = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}


class Paint:
    """Wraps text in escape codes when `on`."""

    __slots__ = ("_on",)

    def __init__(self, on: bool) -> None:
        """`on`: the output goes to a terminal that shows colours."""
        self._on = on

    def severity(self, severity: Severity, text: str) -> str:
        """Bold red, yellow or cyan."""
        return self._wrap(f"1;{_SEVERITY[severity]}", text)

    def bold(self, text: str) -> str:
        """Bold."""
        return self._wrap("1", text)

    def blue(self, text: str) -> str:
        """Bold blue: the gutter of a frame."""
        return self._wrap("1;34", text)

    def cyan(self, text: str) -> str:
        """Cyan: what a fix would do."""
        return self._wrap("36", text)

    def green(self, text: str) -> str:
        """Green: an added line."""
        return self._wrap("32", text)

    def red(self, text: str) -> str:
        """Red: a removed line."""
        return self._wrap("31", text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._on else text
