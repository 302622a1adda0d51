"""Find the ways in which training code loses checkpoints, and mend them.

Exit code: 0 nothing found or all fixed, 1 something was reported (or would change, under --diff), 2 the run failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence

from ckptlint.cli.options import add_options, refuse_what_is_not_built
from ckptlint.cli.settings import Run, make_jobs, make_run
from ckptlint.discovery import real_path
from ckptlint.engine import Analyzer, Job, Outcome, builtin_analyzer, check
from ckptlint.failure import Failure
from ckptlint.fixing import Fixed, as_plan, fix
from ckptlint.report.model import FOR_PEOPLE, Item, Report, render

add_arguments = add_options


def run(args: argparse.Namespace) -> int:
    """Check what the command line names."""
    refuse_what_is_not_built(args)
    talk = Talk(args)
    analyzer: Analyzer = args.analyzer or builtin_analyzer()
    directory = os.getcwd()
    paths = _paths(args.paths or ["."], talk)
    settings = make_run(args, analyzer.registry, paths, directory)
    jobs = make_jobs(settings, paths, talk.warn)
    if args.show_files:
        print("".join(f"{os.path.join(job.root, path)}\n" for job in jobs for path in job.report), end="")
        return 0
    if not any(job.report for job in jobs):
        talk.warn("no Python files found under the given paths")
    if args.diff or settings.fixes:
        return _fix(settings, jobs, analyzer, talk)
    outcomes = [(job, check(job, analyzer)) for job in jobs]
    items = [Item(job.root, finding) for job, outcome in outcomes for finding in outcome.findings]
    _show(settings, items, {job.root: outcome for job, outcome in outcomes}, analyzer, talk)
    talk.summary(_found(items, settings))
    return 1 if items and not args.exit_zero else 0


class Talk:
    """What is said on standard error."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._quiet = args.quiet
        self._verbose = args.verbose

    def warn(self, text: str) -> None:
        """Something that the user should know, even with --quiet."""
        print(f"ckptlint: {text}", file=sys.stderr)

    def summary(self, text: str) -> None:
        """The last lines; not with --quiet."""
        if not self._quiet:
            print(text, file=sys.stderr)

    def detail(self, text: str) -> None:
        """Only with --verbose."""
        if self._verbose:
            print(f"ckptlint: {text}", file=sys.stderr)


def _paths(given: Sequence[str], talk: Talk) -> list[str]:
    paths = []
    for path in given:
        if not os.path.lexists(path):
            raise Failure(f"{path}: there is no such file or folder")
        if path.endswith(".ipynb") and not os.path.isdir(path):
            talk.warn(f"{path}: notebooks are not read yet, skipped")
        else:
            paths.append(real_path(path))
    return paths


def _fix(settings: Run, jobs: Sequence[Job], analyzer: Analyzer, talk: Talk) -> int:
    args = settings.args
    fixed = [(job, fix(job, analyzer, unsafe=settings.unsafe, on_disk=not args.diff)) for job in jobs]
    applied = sum(len(result.applied) for _, result in fixed)
    shown = [(job.root, result.first if args.diff else result.outcome, result) for job, result in fixed]
    items = [
        Item(root, finding, _refusal(finding, result))
        for root, outcome, result in shown
        for finding in outcome.findings
    ]
    outcomes = {root: outcome for root, outcome, _ in shown}
    quiet_about_rest = settings.fix_only and not args.diff
    if not quiet_about_rest and not (args.diff and settings.output_format not in FOR_PEOPLE):
        _show(settings, items, outcomes, analyzer, talk)
    if args.diff:
        patch = "".join(_patch(job, result) for job, result in fixed)
        sys.stdout.write(patch)
        talk.summary(f"Would fix {_count(applied, 'error')}." if applied else "No fixes would be applied.")
        return 1 if (patch or items) and not args.exit_zero else 0
    if settings.show_fixes and applied:
        _show_fixes(fixed, settings, talk)
    rest = [] if quiet_about_rest else items
    if quiet_about_rest:
        talk.summary(f"Fixed {_count(applied, 'error')}.")
    elif applied:
        total = applied + len(items)
        talk.summary(f"Found {_count(total, 'error')} ({applied} fixed, {len(items)} remaining).")
    else:
        talk.summary(_found(items, settings))
    if applied and args.exit_non_zero_on_fix:
        return 1
    return 1 if rest and not args.exit_zero else 0


def _patch(job: Job, result: Fixed) -> str:
    from pathlib import Path  # noqa: PLC0415

    from ckptlint.fixes.diff import unified  # noqa: PLC0415

    return unified(as_plan(result), lambda path: result.originals[path].text, Path(job.root))


def _refusal(finding: object, result: Fixed) -> str | None:
    return next((reason for refused, reason in result.refused if refused == finding), None)


def _show_fixes(fixed: Sequence[tuple[Job, Fixed]], settings: Run, talk: Talk) -> None:
    lines = []
    for job, result in fixed:
        by_file = Counter((finding.place.path, finding.code, finding.name) for finding in result.applied)
        for path in sorted({path for path, _, _ in by_file}):
            lines.append(f"- {os.path.relpath(os.path.join(job.root, path), settings.directory)}:")
            lines += [
                f"    {count} x {code} ({name})"
                for (where, code, name), count in sorted(by_file.items())
                if where == path
            ]
    talk.summary("\n".join(["Fixed:", *lines]))


def _show(settings: Run, items: Sequence[Item], outcomes: dict[str, Outcome], analyzer: Analyzer, talk: Talk) -> None:
    """Print the findings, or count them, to standard output or to the file asked for."""
    args = settings.args
    if args.statistics:
        text = _statistics(items, settings)
    else:
        report = Report(
            items=tuple(items),
            text=lambda root, path: outcomes[root].text(path),
            rules=analyzer.registry.rules,
            directory=settings.directory,
            unsafe=settings.unsafe,
            color=_color(args),
        )
        text = render(settings.output_format, report)
    if args.output_file:
        try:
            with open(args.output_file, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise Failure(f"--output-file {args.output_file}: cannot be written: {error.strerror}") from None
    else:
        sys.stdout.write(text)


def _statistics(items: Sequence[Item], settings: Run) -> str:
    counts = Counter((item.finding.code, item.finding.name) for item in items)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if settings.output_format == "json":
        import json  # noqa: PLC0415

        return json.dumps([{"code": code, "name": name, "count": n} for (code, name), n in ordered], indent=2) + "\n"
    width = max((len(str(count)) for count in counts.values()), default=0)
    return "".join(f"{count:>{width}}\t{code}\t{name}\n" for (code, name), count in ordered)


def _color(args: argparse.Namespace) -> bool:
    if args.output_file:
        return False
    if args.color is not None and args.color != "auto":
        return bool(args.color == "always")
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def _found(items: Sequence[Item], settings: Run) -> str:
    if not items:
        return "All checks passed!"
    lines = [f"Found {_count(len(items), 'error')}."]
    fixes = [item.finding.fix.applicability.value for item in items if item.finding.fix is not None]
    safe, unsafe = fixes.count("safe"), fixes.count("unsafe")
    if settings.unsafe:
        safe, unsafe = safe + unsafe, 0
    if safe and not settings.args.diff:
        hidden = f" ({unsafe} more with `--unsafe-fixes`)" if unsafe else ""
        lines.append(f"{safe} fixable with the `--fix` option{hidden}.")
    elif unsafe and not settings.args.diff:
        lines.append(f"No fixes available ({unsafe} with `--unsafe-fixes`).")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
