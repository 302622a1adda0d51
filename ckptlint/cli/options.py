"""The flags of `ckptlint check`: ruff's names and meanings wherever ruff has them.

A flag that is not built yet is known here and refused, never ignored.
"""

from __future__ import annotations

import argparse
from typing import get_args

from ckptlint.config import Format, PythonVersion, SeverityName
from ckptlint.failure import Failure

_LATER = {"watch": "--watch", "baseline": "--baseline", "write_baseline": "--write-baseline"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Every flag; None or an empty tuple means: not said, the configuration decides."""
    parser.add_argument("paths", nargs="*", metavar="PATHS", help="files and folders to check, or - [default: .]")
    _add_fixing(parser.add_argument_group("Fixing"))
    _add_rules(parser.add_argument_group("Rule selection"))
    _add_files(parser.add_argument_group("File selection"))
    _add_output(parser.add_argument_group("Output"))
    _add_rest(parser.add_argument_group("Miscellaneous"))


def refuse_what_is_not_built(args: argparse.Namespace) -> None:
    """`Failure` for a flag that this version does not have yet."""
    for name, flag in _LATER.items():
        if getattr(args, name):
            raise Failure(f"{flag} is not built yet in this version")


def codes(values: list[str] | None) -> tuple[str, ...] | None:
    """The selectors of a repeated, comma-separated flag; None when it was not given."""
    if values is None:
        return None
    return tuple(part for value in values for part in (piece.strip() for piece in value.split(",")) if part)


def _switch(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    group.add_argument(name, action=argparse.BooleanOptionalAction, default=None, help=text)


def _list(group: argparse._ArgumentGroup, name: str, metavar: str, text: str) -> None:
    group.add_argument(name, action="append", metavar=metavar, help=text)


def _add_fixing(group: argparse._ArgumentGroup) -> None:
    _switch(group, "--fix", "apply safe fixes")
    _switch(group, "--unsafe-fixes", "apply, or show as applicable, fixes that may change what the program does too")
    group.add_argument("--diff", action="store_true", help="write no file: show the findings, then the patch")
    _switch(group, "--fix-only", "apply fixes, but don't report what is left")
    _switch(group, "--show-fixes", "list the fixes that were applied")
    _list(group, "--fixable", "CODES", "rules whose fixes may be applied [default: ALL]")
    _list(group, "--unfixable", "CODES", "rules whose fixes are never applied")


def _add_rules(group: argparse._ArgumentGroup) -> None:
    _list(group, "--select", "CODES", "rules to run: codes, prefixes or ALL, separated by commas")
    _list(group, "--ignore", "CODES", "rules to leave out")
    _list(group, "--extend-select", "CODES", "rules to run besides the selected ones")
    _list(group, "--per-file-ignores", "GLOB:CODE", "rules to leave out for some files")
    _switch(group, "--preview", "accepted; no rule needs it yet")
    group.add_argument("--min-severity", choices=get_args(SeverityName), help="report nothing below [default: info]")


def _add_files(group: argparse._ArgumentGroup) -> None:
    _list(group, "--exclude", "GLOBS", "files and folders to leave out, instead of the usual ones")
    _list(group, "--extend-exclude", "GLOBS", "files and folders to leave out besides the excluded ones")
    _switch(group, "--force-exclude", "leave excluded files out even when they are named")
    _switch(group, "--respect-gitignore", "leave out what git ignores [default: yes]")
    group.add_argument(
        "--checkpoint",
        metavar="FILE",
        action="append",
        default=[],
        help="a real checkpoint: its keys are held against the code that reads this path (repeatable)",
    )
    group.add_argument("--root", metavar="DIR", help="the root of the project [default: found from the paths]")
    group.add_argument("--stdin-filename", metavar="FILE", help="with -: the name of what is read from standard input")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--output-format", choices=get_args(Format), help="how findings are printed [default: full]")
    group.add_argument(
        "-o", "--output-file", metavar="FILE", help="write the findings there instead of standard output"
    )
    group.add_argument("--statistics", action="store_true", help="show counts for every rule instead of findings")
    group.add_argument("--color", choices=("auto", "always", "never"), default=None, help="[default: auto]")
    group.add_argument("-e", "--exit-zero", action="store_true", help="exit with 0 even when there are findings")
    group.add_argument(
        "--exit-non-zero-on-fix", action="store_true", help="exit with 1 when files were changed by fixes"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="print findings and nothing else")
    group.add_argument("-v", "--verbose", action="store_true", help="say what is being done, on standard error")


def _add_rest(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        *("--add-noqa", "--add-ignore"),
        nargs="?",
        const="",
        metavar="REASON",
        help="write `# ckptlint: ignore[...]` comments for all findings (give a reason with =)",
    )
    group.add_argument("--config", metavar="FILE|KEY=VALUE", action="append", help="a TOML file, or one setting")
    group.add_argument("--isolated", action="store_true", help="ignore all configuration files")
    group.add_argument("-n", "--no-cache", action="store_true", help="neither read nor write the cache")
    group.add_argument("--cache-dir", metavar="DIR", help="where the cache lies [default: .ckptlint_cache in the root]")
    group.add_argument("--target-version", choices=get_args(PythonVersion), help="the oldest Python to support")
    group.add_argument("--torch-version", metavar="VERSION", help='the torch in use, "2.6" [default: the newest]')
    group.add_argument("-j", "--jobs", type=int, default=0, metavar="N", help="processes [default: as many as useful]")
    group.add_argument("--show-files", action="store_true", help="list the files that would be checked")
    group.add_argument("--show-settings", action="store_true", help="show the settings that hold for the first file")
    group.add_argument("-w", "--watch", action="store_true", help=argparse.SUPPRESS)
    group.add_argument("--baseline", metavar="FILE", help=argparse.SUPPRESS)
    group.add_argument("--write-baseline", metavar="FILE", help=argparse.SUPPRESS)
