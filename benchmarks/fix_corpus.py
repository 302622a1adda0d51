"""Applies every fix to copies of real projects and says what does not hold.

    python benchmarks/fix_corpus.py FOLDER [--only NAME] [--jobs N] [--select CODES] [--patches FOLDER]
                                           [--write docs/fixes.md]

Each folder inside FOLDER is a project. It is copied, `ckptlint --fix` runs over the copy, then `--fix --unsafe-fixes`.
After each:

- every changed file must parse if it did before, and every comment must still be there;
- it must end its lines, begin and be allowed what it was before: newlines, byte order mark, mode;
- ruff must find no undefined name, redefinition or unused import or variable in it that was not there before;
- no rule may find more than before;
- a second run must change nothing.

`--patches` keeps what was changed, a file for each project and step, for reading. `--write` puts the sums into a
document, between its markers. Exits with 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from measured import write_block

STEPS = {"safe": ("--fix",), "unsafe": ("--fix", "--unsafe-fixes")}
SECONDS = 900
RUFF_RULES = "F401,F811,F821,F823,F841"
APPLIED = re.compile(r"^    (\d+) x (CKPT\d+)", re.MULTILINE)


class Step(NamedTuple):
    """What one step did to a project: fixes by code, changed files with the patch, what does not hold."""

    applied: Counter[str]
    files: int
    patch: list[str]
    reasons: list[str]


class Result(NamedTuple):
    """A project: its findings by code and kind of fix, and its steps by name."""

    project: str
    findings: Counter[tuple[str, str]]
    steps: dict[str, Step]


def main() -> int:
    """Check all projects, print a line for each and the sums."""
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--only", nargs="*", default=[""], help="projects whose name contains one of these")
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--select", default="", help="as ckptlint's own")
    options.add_argument("--patches", type=Path, help="where the changes go")
    options.add_argument("--write", type=Path, help="the document that gets the sums")
    given = options.parse_args()
    projects = sorted(path for path in given.folder.iterdir() if path.is_dir())
    projects = [path for path in projects if any(name in path.name for name in given.only)]
    flags = ("--select", given.select) if given.select else ()
    results: list[Result] = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for result in pool.map(lambda project: checked(project, flags), projects):
            results.append(result)
            reasons = [f"{name}: {reason}" for name, step in result.steps.items() for reason in step.reasons]
            print(f"{result.project}: {'holds' if not reasons else '; '.join(reasons)}", flush=True)
            if given.patches:
                given.patches.mkdir(parents=True, exist_ok=True)
                for name, step in result.steps.items():
                    (given.patches / f"{result.project}.{name}.patch").write_text("\n".join(step.patch) + "\n")
    table = sums(results)
    print(table)
    if given.write:
        write_block(given.write, given.select or "default rules", table)
    return int(any(step.reasons for result in results for step in result.steps.values()))


def checked(project: Path, selected: tuple[str, ...]) -> Result:
    """Mend a copy of a project, step by step."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / project.name
        shutil.copytree(project, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".ckptlint_cache"))
        (copy / "ckptlint.toml").write_text("root = true\n")
        found = _findings(copy, selected)
        kinds = Counter((one["code"], one["fix"]["applicability"] if one["fix"] else "none") for one in found)
        steps: dict[str, Step] = {}
        codes, names = Counter(one["code"] for one in found), _names(copy)
        for name, flags in STEPS.items():
            steps[name], codes, names = _step(copy, (*selected, *flags), codes, names)
        return Result(project.name, kinds, steps)


def _step(
    copy: Path, flags: tuple[str, ...], codes: Counter[str], names: Counter[str]
) -> tuple[Step, Counter[str], Counter[str]]:
    """One step, from findings by code and what ruff says of names to the same after it."""
    old = _files(copy)
    ran = _run(copy, (*flags, "--show-fixes", "--exit-zero"))
    reasons = [] if ran.returncode == 0 else [f"ended with {ran.returncode}: {ran.stderr[-300:]!r}"]
    new = _files(copy)
    changed = [path for path in sorted(old) if new.get(path) != old[path]]
    for path in changed:
        reasons += [f"{path} {damage}" for damage in _damage(old[path], new.get(path))]
    new_names = _names(copy)
    reasons += [f"ruff: {name}" for name in sorted(new_names - names)]
    new_codes = Counter(one["code"] for one in _findings(copy, flags))  # the second run, with the fixes again
    reasons += [f"{count} more {code}" for code, count in sorted((new_codes - codes).items())]
    again = _files(copy)
    reasons += [f"a second run changes {path}" for path in sorted(new) if again.get(path) != new[path]]
    applied: Counter[str] = Counter()
    for count, code in APPLIED.findall(ran.stderr):
        applied[code] += int(count)
    patch = [line for path in changed for line in _patch(path, old[path].data, new[path].data if path in new else b"")]
    return Step(applied, len(changed), patch, reasons), new_codes, new_names


class _File(NamedTuple):
    data: bytes
    mode: int


def _files(folder: Path) -> dict[str, _File]:
    files = (path for path in folder.rglob("*.py") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): _File(path.read_bytes(), path.stat().st_mode) for path in files}


def _run(folder: Path, flags: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ckptlint", ".", "--no-cache", *flags]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environment, timeout=SECONDS
    )


def _findings(folder: Path, flags: tuple[str, ...]) -> list[Any]:
    report = _run(folder, (*flags, "-q", "--output-format", "json", "--exit-zero")).stdout
    found: list[Any] = json.loads(report) if report.strip() else []
    return found


def _names(folder: Path) -> Counter[str]:
    """What ruff says about names, without the lines, which move."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", RUFF_RULES]
    report = subprocess.run(
        [*command, "--output-format", "json", "--exit-zero", "."], cwd=folder, capture_output=True, check=True
    )
    return Counter(
        f"{Path(one['filename']).name} {re.sub(r' from line .*', '', one['message'])}"
        for one in json.loads(report.stdout)
        if one["code"]
    )


def _damage(old: _File, new: _File | None) -> Iterator[str]:
    if new is None:
        yield "is gone"
        return
    if _parses(old.data) and not _parses(new.data):
        yield "does not parse any more"
    elif lost := _comments(old.data) - _comments(new.data):
        yield f"has lost the comment {sorted(lost)[0]!r}"
    if old.mode != new.mode:
        yield "has another mode"
    if old.data.startswith(b"\xef\xbb\xbf") != new.data.startswith(b"\xef\xbb\xbf"):
        yield "has another byte order mark"
    if _newlines(old.data) == {b"\r\n"} != _newlines(new.data) or _newlines(old.data) == {b"\n"} != _newlines(new.data):
        yield "has other newlines"


def _newlines(data: bytes) -> set[bytes]:
    return set(re.findall(rb"\r\n|\r|\n", data))


def _parses(data: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(data)
    except (SyntaxError, ValueError):
        return False
    return True


def _comments(data: bytes) -> Counter[str]:
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(data).readline))
    except (tokenize.TokenError, SyntaxError):
        return Counter()
    return Counter(token.string.strip() for token in tokens if token.type == tokenize.COMMENT)


def _patch(path: str, old: bytes, new: bytes) -> Iterator[str]:
    one, other = (data.decode(errors="replace").splitlines() for data in (old, new))
    return difflib.unified_diff(one, other, path, path, lineterm="")


def sums(results: Sequence[Result]) -> str:
    """The sums as two tables in Markdown."""
    findings: Counter[tuple[str, str]] = Counter()
    for result in results:
        findings += result.findings
    lines = [f"{len(results)} projects, {sum(findings.values())} findings.", ""]
    lines += ["| | `--fix` | then `--fix --unsafe-fixes` |", "|---|---:|---:|"]
    steps = {name: [result.steps[name] for result in results] for name in STEPS}
    rows = {
        "fixes applied": lambda step: sum(step.applied.values()),
        "files changed": lambda step: step.files,
        "files that do not parse any more": lambda step: _told(step, "parse any more"),
        "files that lost a comment": lambda step: _told(step, "lost the comment"),
        "files with other newlines, mode or byte order mark": lambda step: _told(step, "has (other|another)"),
        "names that ruff finds undefined, redefined or unused, and did not before": lambda step: _told(step, "^ruff"),
        "projects where a rule finds more than before": lambda step: min(1, _told(step, r"^\d+ more")),
        "files that a second run changes": lambda step: _told(step, "second run"),
    }
    for label, count in rows.items():
        lines.append(f"| {label} | {' | '.join(str(sum(map(count, steps[name]))) for name in STEPS)} |")
    lines += ["", "| rule | findings | with a safe fix | with an unsafe fix | applied by `--fix` | then by both |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for code in sorted({code for code, _ in findings}):
        kinds = [findings[code, kind] for kind in ("safe", "unsafe")]
        numbers = [sum(count for (one, _), count in findings.items() if one == code), *kinds]
        numbers += [sum(step.applied[code] for step in steps[name]) for name in STEPS]
        lines.append(f"| {code} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def _told(step: Step, pattern: str) -> int:
    return sum(re.search(pattern, reason) is not None for reason in step.reasons)


if __name__ == "__main__":
    sys.exit(main())
