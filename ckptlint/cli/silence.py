"""`--add-noqa`: write a suppression comment for every finding, so that only new ones are reported from now on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ckptlint.cli.settings import Run
from ckptlint.cli.talk import Talk, count
from ckptlint.engine import Analyzer, Job, check
from ckptlint.findings import Finding
from ckptlint.fixes.apply import Plan, write
from ckptlint.suppress.write import add_noqa


def add_comments(run: Run, jobs: Sequence[Job], analyzer: Analyzer, talk: Talk) -> int:
    """Write the comments; the exit code is 0, as ruff's, unless a file could not be written."""
    total = 0
    failed = False
    for job in jobs:
        outcome = check(job, analyzer)
        by_file: dict[str, list[Finding]] = {}
        for finding in outcome.findings:
            by_file.setdefault(finding.place.path, []).append(finding)
        for path, findings in by_file.items():
            source = outcome.source(path)
            shown = os.path.relpath(os.path.join(job.root, path), run.directory)
            if source is None:
                talk.warn(f"{shown}: cannot be read, so no comment was added")
                continue
            silenced = add_noqa(source.text, findings, run.args.add_noqa)
            if silenced.count < len(findings):
                talk.warn(f"{shown}: no room for a comment on {count(len(findings) - silenced.count, 'finding')}")
            if not silenced.count:
                continue
            if write(Plan(files={path: silenced.text}), Path(job.root), {path: source}).written:
                total += silenced.count
            else:
                failed = True
                talk.warn(f"{shown}: cannot be written, so no comment was added")
    talk.summary(f"Added {count(total, 'suppression comment')}.")
    return 2 if failed else 0
