"""Applies every fix to copies of real projects and says what does not hold.

    python benchmarks/fix_corpus.py FOLDER [--only NAME] [--jobs N] [--show]

Each folder inside FOLDER is a project. It is copied, `ckptlint --fix` runs over the copy, then `--fix --unsafe-fixes`.
After each: every changed file must parse if it did before, every comment must still be there, and a second run must
change nothing. `--show` prints the changes. Exits with 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SAFE, UNSAFE = ("--fix",), ("--fix", "--unsafe-fixes")
SECONDS = 600


def main() -> int:
    """Check all projects, print a line for each and the sums."""
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--only", default="", help="projects whose name contains this")
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--show", action="store_true", help="print the changes")
    given = options.parse_args()
    projects = sorted(path for path in given.folder.iterdir() if path.is_dir() and given.only in path.name)
    wrong, fixes = 0, Counter[tuple[str, str]]()
    with ThreadPoolExecutor(given.jobs) as pool:
        for project, (lines, counted) in zip(projects, pool.map(_checked, projects), strict=True):
            fixes += counted
            reasons = [line for line in lines if not line.startswith(("---", "+++", "@@", "-", "+", " "))]
            wrong += len(reasons)
            print(f"{project.name}: {'holds' if not reasons else '; '.join(reasons)}", flush=True)
            if given.show:
                print("\n".join(line for line in lines if line not in reasons), flush=True)
    for (code, kind), count in sorted(fixes.items()):
        print(f"{code} {kind}: {count}")
    print(f"{len(projects)} projects, {wrong} things that do not hold")
    return int(wrong > 0)


def _checked(project: Path) -> tuple[list[str], Counter[tuple[str, str]]]:
    """What does not hold for a project, with the changes as lines of a patch, and its findings by code and fix."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / project.name
        shutil.copytree(project, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".ckptlint_cache"))
        (copy / "ckptlint.toml").write_text("root = true\n")
        lines: list[str] = []
        found = _run(copy, ("--output-format", "json", "--exit-zero"))
        counted = _fixes(found.stdout)
        if found.returncode:
            lines.append(f"the run ended with {found.returncode}: {found.stderr[-300:]!r}")
        before = _texts(copy)
        for flags in (SAFE, UNSAFE):
            name, old = " ".join(flags), _texts(copy)
            begun = time.monotonic()
            ran = _run(copy, (*flags, "--exit-zero"))
            if ran.returncode:
                lines.append(f"{name} ended with {ran.returncode}: {ran.stderr[-300:]!r}")
            new = _texts(copy)
            lines += [f"after {name}, {reason}" for reason in _damage(before, new)]
            if time.monotonic() - begun > SECONDS:
                lines.append(f"{name} took longer than {SECONDS} s")
            _run(copy, (*flags, "--exit-zero"))
            lines += [f"a second {name} changes {path}" for path in _changed(new, _texts(copy))]
            lines += _patch(name, old, new)
        return lines, counted


def _run(folder: Path, flags: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ckptlint", ".", "--no-cache", "-q", *flags]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def _fixes(report: str) -> Counter[tuple[str, str]]:
    findings = json.loads(report) if report.strip() else []
    return Counter((one["code"], one["fix"]["applicability"] if one["fix"] else "no fix") for one in findings)


def _texts(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*.py") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _changed(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[str]:
    return sorted(path for path in old if new.get(path) != old[path])


def _damage(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[str]:
    for path in _changed(old, new):
        if path not in new:
            yield f"{path} is gone"
        elif _parses(old[path]) and not _parses(new[path]):
            yield f"{path} does not parse any more"
        elif lost := _comments(old[path]) - _comments(new[path]):
            yield f"{path} has lost {sorted(lost)[0]!r}"


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


def _patch(name: str, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[str]:
    lines: list[str] = []
    for path in _changed(old, new):
        one, other = (data.decode(errors="replace").splitlines() for data in (old[path], new.get(path, b"")))
        lines += difflib.unified_diff(one, other, f"{path}", f"{path} ({name})", lineterm="", n=1)
    return lines


if __name__ == "__main__":
    sys.exit(main())
