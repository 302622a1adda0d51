"""Find the ways in which training code loses checkpoints, and mend them.

Exit code: 0 nothing found or all fixed, 1 something was reported (or would change, under --diff), 2 the run failed.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from ckptlint.cli.options import add_options, refuse_what_is_not_built
from ckptlint.cli.settings import Run, make_jobs, make_run, show_settings
from ckptlint.cli.show import show, summary
from ckptlint.cli.talk import Talk
from ckptlint.discovery import real_path
from ckptlint.engine import Analyzer, Job, builtin_analyzer, check
from ckptlint.failure import Failure
from ckptlint.report.model import FORMATS, Item

add_arguments = add_options


def run(args: argparse.Namespace) -> int:
    """Check what the command line names."""
    # Nearly all that a run makes is kept to its end: looking for garbage takes a fifth of the time and finds none.
    gc.disable()
    refuse_what_is_not_built(args)
    talk = Talk(quiet=args.quiet, verbose=args.verbose)
    analyzer: Analyzer = args.analyzer or builtin_analyzer()
    standard_input = args.paths == ["-"]
    paths = [_stdin_path(args)] if standard_input else _paths(args, talk)
    settings = make_run(args, analyzer.registry, paths, os.getcwd())
    if settings.output_format not in FORMATS:
        raise Failure(f"the output format {settings.output_format!r} is not built yet; there are {', '.join(FORMATS)}")
    overlay = {paths[0]: sys.stdin.buffer.read()} if standard_input else {}
    jobs = make_jobs(settings, paths, talk.warn, overlay)
    for job in jobs:
        talk.detail(f"root {job.root}: {len(job.index)} files, {len(job.report)} of them reported")
    if args.show_files:
        print("".join(f"{os.path.join(job.root, path)}\n" for job in jobs for path in job.report), end="")
        return 0
    if args.show_settings:
        print(show_settings(settings, jobs), end="")
        return 0
    if not any(job.report for job in jobs):
        talk.warn("no Python files found under the given paths")
    return _check(settings, jobs, analyzer, talk)


def _check(settings: Run, jobs: Sequence[Job], analyzer: Analyzer, talk: Talk) -> int:
    args = settings.args
    if args.add_noqa is not None:
        if any(job.overlay for job in jobs):
            raise Failure("--add-noqa needs a file to write to, not standard input")
        from ckptlint.cli.silence import add_comments  # noqa: PLC0415 - rare

        return add_comments(settings, jobs, analyzer, talk)
    if args.diff or settings.fixes:
        from ckptlint.cli.mend import filter_input, show_patch, write_fixes  # noqa: PLC0415 - a plain run needs none

        if args.diff:
            return show_patch(settings, jobs, analyzer, talk)
        if jobs and jobs[0].overlay:
            return filter_input(settings, jobs[0], analyzer, talk)
        return write_fixes(settings, jobs, analyzer, talk)
    outcomes = {job.root: check(job, analyzer) for job in jobs}
    for outcome in outcomes.values():
        talk.remarks(outcome.remarks)
    items = [Item(root, finding) for root, outcome in outcomes.items() for finding in outcome.findings]
    show(settings, items, lambda root, path: outcomes[root].text(path), sys.stdout)
    talk.summary(summary(items, unsafe=settings.unsafe))
    return 1 if items and not args.exit_zero else 0


def _paths(args: argparse.Namespace, talk: Talk) -> list[str]:
    """The absolute paths that are to be checked."""
    if "-" in args.paths:
        raise Failure("- (standard input) can't be mixed with other paths")
    if args.stdin_filename is not None:
        raise Failure("--stdin-filename needs - as the path")
    paths = []
    for path in args.paths or ["."]:
        if not os.path.lexists(path):
            raise Failure(f"{path}: there is no such file or folder")
        if path.endswith(".ipynb") and not os.path.isdir(path):
            talk.warn(f"{path}: notebooks are not read yet, skipped")
        else:
            paths.append(real_path(path))
    return paths


def _stdin_path(args: argparse.Namespace) -> str:
    return real_path(args.stdin_filename or "-")
