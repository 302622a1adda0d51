"""The cache changes nothing but the time, and a bad cache folder stops nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ckptlint.__main__ import main

SEED = Path(__file__).parents[2] / "fixtures" / "seed"


@pytest.fixture
def seed(tmp_path, monkeypatch):
    folder = tmp_path / "seed"
    shutil.copytree(SEED, folder, ignore=shutil.ignore_patterns(".ckptlint_cache"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def findings(seed, capsys):
    def run(*argv: str) -> tuple[list[dict[str, object]], str]:
        assert main([".", "--output-format", "json", *argv]) == 1
        out, err = capsys.readouterr()
        return json.loads(out), err

    return run


def test_cold_and_warm_and_without_are_the_same(findings, seed):
    without, _ = findings("--no-cache")
    assert not (seed / ".ckptlint_cache").exists()
    cold, _ = findings()
    assert (seed / ".ckptlint_cache/CACHEDIR.TAG").is_file()
    warm, _ = findings()
    assert cold == warm == without


def test_an_edit_is_seen(findings, seed):
    findings()
    path = seed / "train.py"
    path.write_text("\n" + path.read_text())
    after, _ = findings()
    assert after == findings("--no-cache")[0]


def test_a_cache_folder_that_is_a_file_is_one_line_and_no_harm(findings, seed):
    without, _ = findings("--no-cache")
    (seed / "cache").write_text("not a folder")
    found, err = findings("--cache-dir", "cache")
    assert found == without
    warnings = [line for line in err.splitlines() if line.startswith("ckptlint: warning:")]
    assert len(warnings) == 1
    assert "cannot be written" in warnings[0]


@pytest.fixture
def permissions(tmp_path):
    """Skips where the user may do everything: root."""
    probe = tmp_path / "probe"
    probe.write_text("")
    probe.chmod(0)
    if os.access(probe, os.R_OK):
        pytest.skip("this user may read and write everything")


@pytest.mark.usefixtures("permissions")
@pytest.mark.parametrize("mode", [0o555, 0o000])
@pytest.mark.parametrize("warm", [False, True])
def test_a_cache_that_may_not_be_written_or_looked_at_is_one_line_at_most(findings, seed, mode, warm):
    without, _ = findings("--no-cache")
    cache = seed / ".ckptlint_cache"
    if warm:
        findings()
    cache.mkdir(exist_ok=True)
    folders = [cache, *(path for path in cache.rglob("*") if path.is_dir())]
    try:
        for folder in reversed(folders):
            folder.chmod(mode)
        found, err = findings()
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert found == without
    assert all("cannot be written" in line for line in err.splitlines() if line.startswith("ckptlint:"))
    assert err.count("ckptlint:") <= 1


def test_a_cache_full_of_rubbish_does_no_harm(findings, seed):
    without, _ = findings()
    for path in (seed / ".ckptlint_cache").rglob("*"):
        if path.is_file():
            path.write_bytes(b"\x93rubbish" * 50)
    assert findings()[0] == without


def test_what_is_read_from_standard_input_is_not_taken_for_the_file(findings, seed, capsys, monkeypatch):
    import io

    before, _ = findings()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x = 1\n")))
    main(["-", "--stdin-filename", "train.py", "--output-format", "json"])
    assert json.loads(capsys.readouterr().out) == []
    assert findings()[0] == before


def test_a_warm_run_does_not_lower_anything_again(findings, seed, monkeypatch):
    from ckptlint.facts.extract import unit

    findings()
    calls: list[object] = []
    real = unit.parse_unit
    monkeypatch.setattr(unit, "parse_unit", lambda text: calls.append(text) or real(text))
    findings()
    warm = len(calls)
    calls.clear()
    findings("--no-cache")
    assert warm < len(calls)
