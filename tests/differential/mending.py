"""Fixes, applied and run again, with files from before and after the fix.

For `--fix` and again for `--fix --unsafe-fixes`, on a fresh copy of the project. A *combination* is a writer's setting
with a reader's setting. A fix is bad when

    parse       a fixed file does not compile;
    again       fixing once more changes something;
    broke       a combination that came to its end with everything restored no longer does, on a file from before
                the fix or on one from after it;
    still       the load was reported with a fix that was applied, and it still fails on an old or a new file;
    prefix      CKPT101 or CKPT102 was fixed wherever it was found, and new files still carry that wrapper's segment
                (of a writer that came to its end before: where another fix is what lets it come to a save at all,
                that save is the next run's business);
    crashed     ckptlint ended with an error while fixing.

"Everything restored" compares values, so a program that comes to its end trains on from the tensors of the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from .answers import Answer, CrashedError, fix, read_files, write_files
from .project import Project
from .records import Evidence, Outcome, Run
from .runner import Written, read_all, write_all
from .sandbox import Program, Sandbox
from .truth import PREFIX_KINDS, is_partial, is_silent

Mend = Callable[[str, bool], None]


class BadFix(msgspec.Struct, frozen=True):
    rule: str
    reason: str
    detail: str


def is_good(outcome: Outcome) -> bool:
    """Came to its end, and every load from a file brought all of the model's parameters."""
    return outcome.failure is None and not any(is_silent(load) or is_partial(load) for load in outcome.loads)


def bad_fixes(
    sandbox: Sandbox,
    project: Project,
    evidence: Evidence,
    written: list[Written],
    answers: tuple[Answer, ...],
    source: str,
    base: str,
    mend: Mend = fix,
) -> Iterator[BadFix]:
    """Every way in which this project's fixes are bad; `source` holds the project's files and is fixed in place.

    `mend(directory, unsafe)` applies the fixes.
    """
    for mode, applied in (("safe", {"safe"}), ("unsafe", {"safe", "unsafe"})):
        codes = [answer.code for answer in answers if answer.fix in applied]
        if not codes or (mode == "unsafe" and "unsafe" not in {answer.fix for answer in answers}):
            continue
        write_files(project.files, source)
        try:
            mend(source, mode == "unsafe")
            files = read_files(project.files, source)
            mend(source, mode == "unsafe")
        except CrashedError as error:
            yield BadFix(codes[0], "crashed", f"--fix ({mode}): {error}"[:500])
            continue
        if files == project.files:
            continue
        if read_files(project.files, source) != files:
            yield BadFix(codes[0], "again", f"{mode}: a second run changes the files again")
        fixed = msgspec.structs.replace(project, files=files)
        program = Program(files)
        try:
            for path in program.files:
                program.code(path)
        except SyntaxError as error:
            yield BadFix(codes[0], "parse", f"{mode}: {error}")
            continue
        wholly = set(codes) - {answer.code for answer in answers if answer.fix not in applied}
        yield from _run_again(sandbox, fixed, program, evidence, written, set(codes), wholly, f"{base}/{mode}")


def _run_again(
    sandbox: Sandbox,
    fixed: Project,
    program: Program,
    evidence: Evidence,
    written: list[Written],
    codes: set[str],
    wholly: set[str],
    base: str,
) -> Iterator[BadFix]:
    mode = Path(base).name
    new = write_all(sandbox, fixed, program, base)
    for before, after in zip(written, new, strict=True):
        if is_good(before.run.outcome) and not is_good(after.run.outcome):
            yield _broken(codes, f"{mode}, the writer in {before.run.writing}", after.run.outcome)
        elif "CKPT301" in codes and fixed.reader is None and not is_good(after.run.outcome):
            yield BadFix("CKPT301", "still", f"{mode}, {before.run.writing}: {_what(after.run.outcome)}")
    for code, kinds in PREFIX_KINDS.items():
        ended = [after for before, after in zip(written, new, strict=True) if before.run.outcome.failure is None]
        keys = [key for one in ended for save in one.run.outcome.saves for key in save.keys]
        if code in wholly and any(kinds & set(key.wrappers) for key in keys):
            yield BadFix(code, "prefix", f"{mode}: {next(key.name for key in keys if kinds & set(key.wrappers))}")
    old = [
        msgspec.structs.replace(one, directory=shutil.copytree(one.directory, f"{base}/old{number}"))
        for number, one in enumerate(written)
    ]
    good = {(run.writing, run.reading) for run in evidence.readers if is_good(run.outcome)}
    for age, files in (("old", old), ("new", new)):
        for run in read_all(sandbox, fixed, program, files):
            if is_good(run.outcome):
                continue
            where = f"{mode}, {age} file of {run.writing} read in {run.reading}"
            if (run.writing, run.reading) in good:
                yield _broken(codes, where, run.outcome)
            elif _promised(codes, run):
                yield BadFix("CKPT301", "still", f"{where}: {_what(run.outcome)}")


def _promised(codes: set[str], run: Run) -> bool:
    """Only a failing load was promised to be mended, by the fix of CKPT301."""
    failure = run.outcome.failure
    return "CKPT301" in codes and (failure is None or failure.kind == "load")


def _broken(codes: set[str], where: str, outcome: Outcome) -> BadFix:
    return BadFix("+".join(sorted(codes)), "broke", f"{where}: {_what(outcome)}")


def _what(outcome: Outcome) -> str:
    if outcome.failure:
        return outcome.failure.text[:300]
    short = [f"{load.restored} of {load.total}" for load in outcome.loads if is_silent(load) or is_partial(load)]
    return f"restored {', '.join(short)}"
