"""Explain an error that loading a checkpoint gave: what happened, and what to do.

  ckptlint why < traceback.txt
  ckptlint why 'RuntimeError: Error(s) in loading state_dict for Net: ...'
  python test.py 2>&1 | ckptlint why --source src/

TEXT is the error, or - for standard input (the default): a message, a traceback, a whole log, with colours, times and
names of ranks if it has them. With --source the code is looked at too: which line wrote the file. torch is not needed.

Exit code 0 when the error is explained, 1 when no checkpoint error that is known stands in the text, 2 when the run
failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from ckptlint.failure import Failure

if TYPE_CHECKING:
    from ckptlint.engine import Analyzer
    from ckptlint.why.explanation import Explanation
    from ckptlint.why.places import SourcePlace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="the error, or - for standard input [default: -]")
    parser.add_argument("--source", metavar="PATH", help="the code that wrote and reads the checkpoint: name the lines")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Explain; the exit code."""
    from ckptlint.why.explain import explain  # noqa: PLC0415 (see `inspect`)
    from ckptlint.why.show import as_json, lines  # noqa: PLC0415

    text = _text(args.text)
    if args.source is not None and not os.path.exists(args.source):
        raise Failure(f"--source {args.source}: there is no such file or folder")
    explanation = explain(text)
    places = None
    names: dict[str, str] = {}
    if explanation is not None and args.source is not None:
        places, names = _places(explanation, args.source, args.analyzer)
    if args.json:
        print(as_json(explanation, places, names))
    elif explanation is None:
        print("This is not a checkpoint error that I know.")
        print(
            "Paste the whole traceback; the last lines say the most. To look at a file itself: `ckptlint inspect FILE`."
        )
    else:
        for line in lines(explanation, places):
            print(line)
    return 1 if explanation is None else 0


def _text(words: list[str]) -> str:
    if words not in ([], ["-"]):
        return " ".join(words)
    if sys.stdin.isatty():
        print("Paste the error, then press Ctrl-D.", file=sys.stderr)
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def _places(
    explanation: Explanation, source: str, analyzer: Analyzer | None
) -> tuple[tuple[SourcePlace, ...], dict[str, str]]:
    from ckptlint.cli.dispatch import Parser  # noqa: PLC0415 - only with --source
    from ckptlint.cli.options import add_options  # noqa: PLC0415
    from ckptlint.cli.settings import make_jobs, make_run  # noqa: PLC0415
    from ckptlint.cli.talk import Talk  # noqa: PLC0415
    from ckptlint.discovery import real_path  # noqa: PLC0415
    from ckptlint.engine import builtin_analyzer  # noqa: PLC0415
    from ckptlint.why.source import places_of  # noqa: PLC0415

    parser = Parser()
    add_options(parser)
    args = parser.parse_args(["--select=ALL"])
    chosen = analyzer or builtin_analyzer()
    paths = [real_path(source)]
    settings = make_run(args, chosen.registry, paths, os.getcwd())
    talk = Talk(quiet=True, verbose=False)
    found = tuple(
        place for job in make_jobs(settings, paths, talk.warn, {}) for place in places_of(explanation, job, chosen)
    )
    return found, {code: rule.name for code, rule in chosen.registry.rules.items()}
