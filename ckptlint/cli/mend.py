"""`--fix` and `--diff`: apply fixes, or show the patch that they amount to."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from ckptlint.cli.settings import Run
from ckptlint.cli.show import show, summary
from ckptlint.cli.talk import Talk, count
from ckptlint.engine import Analyzer, Job, Outcome
from ckptlint.findings import Finding
from ckptlint.fixes.diff import unified
from ckptlint.fixing import Fixed, as_plan, fix
from ckptlint.report.model import FOR_PEOPLE, Item
from ckptlint.source import encode

Mended = Sequence[tuple[Job, Fixed]]


def write_fixes(run: Run, jobs: Sequence[Job], analyzer: Analyzer, talk: Talk) -> int:
    """Mend the files and report what is left; the exit code."""
    mended = [(job, fix(job, analyzer, unsafe=run.unsafe, on_disk=True)) for job in jobs]
    return _report_rest(run, mended, talk, sys.stdout)


def filter_input(run: Run, job: Job, analyzer: Analyzer, talk: Talk) -> int:
    """Standard input to standard output, mended; what is left is reported on standard error."""
    result = fix(job, analyzer, unsafe=run.unsafe, on_disk=False)
    ((path, data),) = job.overlay.items()
    if path in result.texts:
        data = encode(result.originals[path], result.texts[path])
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return _report_rest(run, [(job, result)], talk, sys.stderr)


def show_patch(run: Run, jobs: Sequence[Job], analyzer: Analyzer, talk: Talk) -> int:
    """Show the findings and then the patch that mends them; write nothing.

    Formats for programs can't hold a patch: with them the patch alone is printed, as ruff does.
    """
    mended = [(job, fix(job, analyzer, unsafe=run.unsafe, on_disk=False)) for job in jobs]
    for _, result in mended:
        talk.remarks(result.first.remarks)
    items = [_item(job, finding, result) for job, result in mended for finding in result.first.findings]
    if run.output_format in FOR_PEOPLE or run.args.output_file:
        show(run, items, _texts({job.root: result.first for job, result in mended}), sys.stdout)
    patch = "".join(_patch(job, result) for job, result in mended)
    sys.stdout.write(patch)
    applied = sum(len(result.applied) for _, result in mended)
    talk.summary(f"Would fix {count(applied, 'problem')}." if applied else "No fixes to apply.")
    return 1 if (patch or items) and not run.args.exit_zero else 0


def _patch(job: Job, result: Fixed) -> str:
    return unified(as_plan(result), lambda path: result.originals[path].text, Path(job.root))


def _report_rest(run: Run, mended: Mended, talk: Talk, stream: TextIO) -> int:
    for _, result in mended:
        talk.remarks(result.outcome.remarks)
    if run.fix_only or run.output_format != "full":  # which says it at the finding
        talk.remarks(_not_written(mended))
    applied = sum(len(result.applied) for _, result in mended)
    items = [_item(job, finding, result) for job, result in mended for finding in result.outcome.findings]
    if not run.fix_only:
        show(run, items, _texts({job.root: result.outcome for job, result in mended}), stream)
    if run.show_fixes and applied:
        talk.summary(_applied(mended, run.directory))
    if run.fix_only:
        talk.summary(f"Fixed {count(applied, 'problem')}.")
    elif applied:
        found = count(applied + len(items), "problem")
        talk.summary(f"Found {found} ({applied} fixed, {len(items)} remaining).")
    else:
        talk.summary(summary(items, unsafe=run.unsafe))
    if applied and run.args.exit_non_zero_on_fix:
        return 1
    return 1 if items and not run.fix_only and not run.args.exit_zero else 0


def _item(job: Job, finding: Finding, result: Fixed) -> Item:
    refusal = next((reason for refused, reason in result.refused if refused == finding), None)
    return Item(job.root, finding, refusal)


def _not_written(mended: Mended) -> list[str]:
    """Why fixes were not applied, each reason once."""
    reasons = Counter(reason for _, result in mended for _, reason in result.refused)
    return [f"{count(number, 'fix', 'fixes')} not applied: {reason}" for reason, number in sorted(reasons.items())]


def _texts(outcomes: dict[str, Outcome]) -> Callable[[str, str], str | None]:
    return lambda root, path: outcomes[root].text(path)


def _applied(mended: Mended, directory: str) -> str:
    """The list of `--show-fixes`."""
    total = sum(len(result.applied) for _, result in mended)
    lines = [f"Fixed {count(total, 'problem')}:"]
    for job, result in mended:
        counts = Counter((finding.place.path, finding.code, finding.name) for finding in result.applied)
        shown = ""
        for (path, code, name), number in sorted(counts.items()):
            if path != shown:
                lines.append(f"- {os.path.relpath(os.path.join(job.root, path), directory)}:")
                shown = path
            lines.append(f"    {number} x {code} ({name})")
    return "\n".join(lines)
