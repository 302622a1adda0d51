"""One process or many, cold or warm: the same facts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ckptlint.cache import Cache, FileIndex, digest_of, stamp_of
from ckptlint.facts import ir
from ckptlint.facts.parallel import MIN_FILES, beside
from ckptlint.facts.store import FactStore
from ckptlint.source import UnreadableSource

BODY = "".join(f"    x{number} = f(a, b={number})\n" for number in range(40))
LONG_AGO = 1_600_000_000


def project(folder: Path) -> list[str]:
    """Some files with enough rows for children to be started, one of them with errors."""
    files = [f"m{number}.py" for number in range(6)]
    for name in files:
        functions = "".join(f"def f{number}(a):\n{BODY}\n" for number in range(16))
        (folder / name).write_text(f"import torch\nnet.state_dict()\n{functions}")
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    (folder / "old.py").write_text("import torch\ndef f():\n    print 'x'\n    return 1\ndef g(:\n    return 1\n")
    return [*files, "old.py"]


def all_units(store: FactStore) -> list[tuple[str, int]]:
    return [(relative, header.index) for relative in sorted(store.files) for header in store.headers(relative)]


def all_facts(store: FactStore) -> tuple[dict[tuple[str, int], ir.Unit | str], list[tuple[str, int, int, str]]]:
    facts: dict[tuple[str, int], ir.Unit | str] = {}
    for relative, unit in all_units(store):
        try:
            facts[relative, unit] = store.function(relative, unit) if unit else store.skeleton(relative)
        except UnreadableSource as error:
            facts[relative, unit] = str(error)
    return facts, [(found.relative, found.unit, found.error.row, found.error.reason) for found in store.unreadable]


def forget_parsing(store: FactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a store that parses fails the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr("ckptlint.facts.extract.unit.parse_unit", refuse)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def many(folder: Path) -> list[str]:
    """As many files as a second process is worth, besides those of `project`."""
    more = [f"small{number}.py" for number in range(MIN_FILES)]
    for name in more:
        (folder / name).write_text("x = 1\n")
    return [*project(folder), *more]


@forks
def test_a_second_process_gives_its_result_and_all_that_it_has_lowered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = many(tmp_path)
    alone, together = FactStore(tmp_path, files), FactStore(tmp_path, files)
    expected = all_facts(alone)
    home = os.getpid()

    def work() -> tuple[bool, int]:
        return os.getpid() == home, len(all_facts(together)[0])

    with beside(together, work, tuple[bool, int], jobs=2) as other:
        assert other.result() == (False, len(expected[0]))
        assert other.result() == (False, len(expected[0]))
    forget_parsing(together, monkeypatch)
    facts, unreadable = all_facts(together)
    assert facts == expected[0]
    assert sorted(unreadable) == sorted(expected[1]) != []


@forks
@pytest.mark.parametrize("way", ["dies", "raises", "is stopped"])
def test_without_a_result_the_work_is_done_at_home(tmp_path: Path, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    files = many(tmp_path)
    store = FactStore(tmp_path, files)

    def work() -> int:
        if way == "raises":
            raise ValueError
        if way == "dies":
            os._exit(9)
        time.sleep(60)
        return 1

    with beside(store, work, int, jobs=2) as other:
        if way != "is stopped":
            assert other.result() is None
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert all_facts(store) == all_facts(FactStore(tmp_path, files))


@pytest.mark.parametrize("jobs", [1, 8])
def test_one_job_or_a_small_project_is_done_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    files = many(tmp_path) if jobs == 1 else project(tmp_path)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"), raising=False)
    with beside(FactStore(tmp_path, files), lambda: 1, int, jobs=jobs) as other:
        assert other.result() is None


def test_what_is_given_up_for_memory_is_read_again_and_must_be_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ckptlint.facts.store.KEPT_BYTES", 10)
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("x = 12345\n")
    store = FactStore(tmp_path, ["a.py", "b.py", "c.py"])
    assert store.data("a.py") == store.data("b.py") == store.data("c.py") == b"x = 12345\n"
    assert store.data("a.py") == b"x = 12345\n"
    (tmp_path / "b.py").write_text("y = 12345\n")
    with pytest.raises(UnreadableSource, match="changed while"):
        store.data("b.py")
    assert store.changed_meanwhile


def test_a_file_that_changes_during_a_run_is_what_it_was_when_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    store = FactStore(tmp_path, ["a.py"])
    assert not store.marked("a.py")
    (tmp_path / "a.py").write_text("y = 1\n")
    assert store.source("a.py").text == "x = 1\n"


def test_a_file_known_from_an_earlier_run_that_changes_is_unreadable_rather_than_two_things(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = project(root)
    before = opened(tmp_path / "cache", root, files)
    before.state()
    before.save()
    store = opened(tmp_path / "cache", root, files)
    store.digest("m0.py")
    (root / "m0.py").write_text("y = 1\n")
    with pytest.raises(UnreadableSource, match="changed while"):
        store.source("m0.py")
    assert store.changed_meanwhile


def opened(folder: Path, root: Path, files: list[str]) -> FactStore:
    cache = Cache(folder, "v1")
    return FactStore(root, files, cache, FileIndex(cache, root))


def test_a_warm_run_parses_nothing_and_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = project(root)
    cold = opened(tmp_path / "cache", root, files)
    expected = all_facts(cold)
    marks = [cold.marked(relative) for relative in files]
    cold.save()
    warm = opened(tmp_path / "cache", root, files)
    forget_parsing(warm, monkeypatch)
    assert all_facts(warm) == expected
    assert [warm.marked(relative) for relative in files] == marks == [True] * 6 + [False]


def test_an_unchanged_file_is_not_even_read_and_a_changed_one_is(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = project(root)
    cold = opened(tmp_path / "cache", root, files)
    expected, _ = all_facts(cold)
    cold.save()
    warm = opened(tmp_path / "cache", root, files)
    warm._read = pytest.fail  # type: ignore[method-assign,assignment]
    assert warm.skeleton("m0.py") == expected["m0.py", 0]
    text = (root / "m0.py").read_text()
    (root / "m0.py").write_text(text.replace("import torch", "import other"))
    os.utime(root / "m0.py", (LONG_AGO, LONG_AGO))  # the size and the time of last time, but the inode's time is new
    changed = opened(tmp_path / "cache", root, files)
    assert changed.skeleton("m0.py") != expected["m0.py", 0]


def test_a_file_that_was_just_written_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    index = FileIndex(Cache(tmp_path / "cache", "v1"), tmp_path)
    index.note("a.py", path.stat(), "digest", True, False)
    assert index.look_up("a.py", path.stat()) is None
    os.utime(path, (LONG_AGO, LONG_AGO))
    index.note("a.py", path.stat(), "digest", True, False)
    assert index.look_up("a.py", path.stat()) is not None
    path.write_text("x = 12\n")
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert index.look_up("a.py", path.stat()) is None


def test_units_are_added_by_later_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = project(root)
    for unit in (1, 2):
        store = opened(tmp_path / "cache", root, files)
        store.function("m0.py", unit)
        store.save()
    store = opened(tmp_path / "cache", root, files)
    forget_parsing(store, monkeypatch)
    assert [store.function("m0.py", unit).name for unit in (1, 2)] == ["f0", "f1"]


@pytest.mark.parametrize("rubbish", [b"", b"x", b"\x93" * 100, b"\0" * 9])
def test_rubbish_in_the_cache_is_no_value(tmp_path: Path, rubbish: bytes) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = project(root)
    cold = opened(tmp_path / "cache", root, files)
    expected = all_facts(cold)
    cold.save()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(rubbish)
    assert all_facts(opened(tmp_path / "cache", root, files)) == expected


def test_a_value_under_another_key_or_cut_short_is_no_value(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "v1")
    cache.write("facts", "aa", b"value")
    assert cache.read("facts", "aa") == b"value"
    assert cache.read("facts", "ab") is None
    (path,) = (tmp_path / "v1").rglob("aa/aa")
    (path.parent / "ab").write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.read("facts", "aa") is None
    assert Cache(tmp_path, "v2").read("facts", "aa") is None


@pytest.mark.parametrize("at", ["", "cache"])
def test_a_folder_that_cannot_be_made_turns_writing_off(tmp_path: Path, at: str) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    cache = Cache(blocked / at, "v1")
    cache.write("facts", "aa", b"value")
    assert cache.problem is not None
    assert "cannot be written" in cache.problem
    assert cache.read("facts", "aa") is None


def test_digests_know_where_the_parts_end(tmp_path: Path) -> None:
    assert digest_of(b"ab", b"c") != digest_of(b"a", b"bc")
    code = tmp_path / "a.py"
    code.write_text("1")
    before = stamp_of("0.1", [code])
    code.write_text("2")
    assert stamp_of("0.1", [code]) != before
    assert time.time() > LONG_AGO
