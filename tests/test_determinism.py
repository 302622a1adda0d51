"""The same project gives the same findings: whatever the order of its files, the hash seed, the cache."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ckptlint.engine import Job, Policy, Settings, builtin_analyzer, check
from ckptlint.findings import Finding

FIXTURES = Path(__file__).parent.parent / "fixtures"
LONG_AGO = 1_500_000_000


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))


def look(root: Path, files: list[str], cache: Path | None = None) -> tuple[Finding, ...]:
    analyzer = builtin_analyzer()
    codes = frozenset(analyzer.registry.codes)
    policy = Policy(codes, codes)
    settings = Settings(cache=None if cache is None else str(cache))
    outcome = check(Job(str(root), tuple(files), tuple(sorted(files)), lambda _: policy, settings), analyzer)
    assert not outcome.remarks
    return outcome.findings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(FIXTURES / "seed", root, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for path in root.rglob("*.py"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return root


def test_the_order_of_the_files_does_not_matter(project: Path) -> None:
    files = files_of(project)
    expected = look(project, files)
    assert expected, "the seed has findings"
    for seed in range(3):
        shuffled = random.Random(seed).sample(files, len(files))
        assert look(project, shuffled) == expected


def test_a_warm_run_finds_what_a_cold_one_does(project: Path, tmp_path: Path) -> None:
    files = files_of(project)
    expected = look(project, files)
    assert look(project, files, tmp_path / "cache") == expected
    assert look(project, files, tmp_path / "cache") == expected


def test_an_unchanged_project_is_not_analysed_again(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = look(project, files_of(project), tmp_path / "cache")

    def fail(*_: object) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr("ckptlint.analysis.solve.solve", fail)
    assert look(project, files_of(project), tmp_path / "cache") == expected


def test_after_every_edit_a_warm_run_finds_what_a_cold_one_does(project: Path, tmp_path: Path) -> None:
    files = files_of(project)
    look(project, files, tmp_path / "cache")
    for file in files:
        path = project / file
        text = path.read_text()
        for changed in ("# one line more\n" + text, text.replace("DataParallel", "Identity"), ""):
            path.write_text(changed)
            os.utime(path, (LONG_AGO, LONG_AGO))
            assert look(project, files, tmp_path / "cache") == look(project, files), (file, changed[:40])
        path.write_text(text)


def test_a_new_file_and_a_lost_one_are_noticed(project: Path, tmp_path: Path) -> None:
    files = files_of(project)
    look(project, files, tmp_path / "cache")
    for fewer in ([file for file in files if file != one] for one in files):
        assert look(project, fewer, tmp_path / "cache") == look(project, fewer)


def test_hash_seeds_do_not_matter(project: Path) -> None:
    outputs = set()
    for seed in ("1", "2", "3"):
        run = subprocess.run(
            [sys.executable, "-m", "ckptlint", "check", "--no-cache", "--output-format", "json", "."],
            cwd=project,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(FIXTURES.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 1, run.stderr
        outputs.add(run.stdout)
    assert len(outputs) == 1


def test_a_tree_with_nothing_to_find_never_imports_libcst(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import re\n\npattern = re.compile('x')\n")
    code = (
        "import sys, ckptlint.__main__ as program; program.main(['check', '--no-cache', '.']);"
        " print('libcst' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(FIXTURES.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines()[-1] == "False", run.stderr
