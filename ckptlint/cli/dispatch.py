"""From the words on the command line to one verb.

    ckptlint src/ --fix            the verb may be left out: check
    ckptlint inspect model.pth     a verb wins over a folder of its name (write ./inspect for the folder)

A verb is the module `ckptlint.cli.<verb>`; one that is named here and not there yet is refused with exit code 2.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from ckptlint.failure import Failure

if TYPE_CHECKING:
    from ckptlint.engine import Analyzer

VERBS = {
    "check": "find mistakes in training code, and mend them (the verb may be left out)",
    "rule": "explain a rule",
    "inspect": "list what is in a checkpoint file",
    "verify": "compare a checkpoint with a model, and really load it",
    "repair": "write a mended copy of a checkpoint",
    "diff": "compare two checkpoints",
    "why": "explain an error that loading a checkpoint gave",
    "server": "speak to an editor (LSP)",
    "clean": "remove the cache",
}

_BROKEN_PIPE = 141  # what a shell reports for a program that died of SIGPIPE
_INTERRUPTED = 130  # the same for SIGINT


class Verb(Protocol):
    """What a module `ckptlint.cli.<verb>` holds."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the verb takes."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit code."""


class Parser(argparse.ArgumentParser):
    """argparse as ruff's users expect it: errors of one line, and optional values only after `=`.

    `--add-noqa src` has src as a path, `--add-noqa=reason` has a reason.
    """

    def parse_words(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse a command line in which flags and paths may be mixed."""
        optional = {name for action in self._actions if action.nargs == "?" for name in action.option_strings}
        return self.parse_intermixed_args([f"{word}=" if word in optional else word for word in words])

    def error(self, message: str) -> NoReturn:
        """End the run with exit code 2."""
        raise Failure(f"{message} (see `{self.prog} --help`)")


def run(argv: Sequence[str], analyzer: Analyzer | None = None) -> int:
    """Run one command line; the exit code. A bug gives 2 as well, never 1, which means findings.

    `analyzer`: the rules and the analysis to use instead of ckptlint's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name or a source line may not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run_verb(argv, analyzer)
        sys.stdout.flush()
    except Failure as failure:
        print(f"ckptlint: error: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ckptlint: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # `ckptlint src | head`: point stdout elsewhere, or Python complains at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception:
        traceback.print_exc()  # a bug of ours: all that is known goes into the report
        print("ckptlint: error: this is a bug in ckptlint; please report it with the text above", file=sys.stderr)
        return 2
    return code


def _run_verb(argv: Sequence[str], analyzer: Analyzer | None) -> int:
    if argv and argv[0] in ("help", "--help", "-h"):
        if len(argv) == 1:
            print(_overview())
            return 0
        argv = [*argv[1:], "--help"] if argv[0] == "help" else [*argv[1:], argv[0]]
    name, rest = (argv[0], argv[1:]) if argv and argv[0] in VERBS else ("check", argv)
    if not _is_built(name):
        raise Failure(f"`ckptlint {name}` is not built yet in this version")
    verb = cast(Verb, importlib.import_module(f"ckptlint.cli.{name}"))
    parser = Parser(
        prog=f"ckptlint {name}",
        description=verb.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.add_arguments(parser)
    parser.set_defaults(analyzer=analyzer)
    try:
        args = parser.parse_words(rest)
    except SystemExit as exit_:  # --help
        return int(exit_.code or 0)
    return verb.run(args)


def _is_built(name: str) -> bool:
    return importlib.util.find_spec(f"ckptlint.cli.{name}") is not None


def _overview() -> str:
    lines = ["Usage: ckptlint [VERB] ...", "", "Verbs:"]
    lines += [f"  {name:<8} {what}" for name, what in VERBS.items() if _is_built(name)]
    lines += ["", "`ckptlint VERB --help` lists the flags of a verb; `ckptlint --version` prints the version."]
    return "\n".join(lines)
