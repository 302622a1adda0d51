"""One process or many, cold or warm: the same facts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ckptlint.cache import Cache, FileIndex, digest_of, stamp_of
from ckptlint.facts import ir
from ckptlint.facts.parallel import MIN_ROWS, lower_ahead, marked_units
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_many_processes_find_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = project(tmp_path)
    alone, together = FactStore(tmp_path, files), FactStore(tmp_path, files)
    expected = all_facts(alone)
    units = all_units(together)
    rows = sum(header.last_row for relative in files for header in together.headers(relative)[:1])
    assert rows > MIN_ROWS
    lower_ahead(together, units, jobs=3)
    forget_parsing(together, monkeypatch)
    assert all_facts(together) == expected
    assert expected[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_that_dies_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = project(tmp_path)
    expected = all_facts(FactStore(tmp_path, files))
    store = FactStore(tmp_path, files)
    parent, try_unit = os.getpid(), FactStore.try_unit

    def dying(self: FactStore, relative: str, unit: int) -> None:
        if os.getpid() != parent and unit == 5:
            os._exit(9)
        try_unit(self, relative, unit)

    monkeypatch.setattr(FactStore, "try_unit", dying)
    lower_ahead(store, all_units(store), jobs=2)
    assert all_facts(store) == expected
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_small_work_is_done_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("def f(): pass\n")
    store = FactStore(tmp_path, ["a.py"])
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"), raising=False)
    lower_ahead(store, [("a.py", 1), ("a.py", 0), ("a.py", 1), ("gone.py", 0)], jobs=8)
    assert store.is_known("a.py", 1)


def test_the_units_with_a_marker_are_those_to_lower_ahead(tmp_path: Path) -> None:
    text = "import torch\ndef f():\n    pass\nclass A:\n    def g(self):\n        return 1\n    def h(self):\n"
    (tmp_path / "a.py").write_text(text + "        torch.save(self.net, path)\n\nx = 'state_dict'\n")
    store = FactStore(tmp_path, ["a.py"])
    assert marked_units(store, "a.py") == [("a.py", 0), ("a.py", 3)]
    assert marked_units(store, "a.py", [b"return 1"]) == [("a.py", 0), ("a.py", 2), ("a.py", 3)]
    assert marked_units(store, "gone.py") == []


def test_what_an_earlier_run_has_kept_is_not_lowered_ahead(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = project(root)
    cold = opened(tmp_path / "cache", root, files)
    assert marked_units(cold, "m0.py") == [("m0.py", 0)]
    cold.skeleton("m0.py")
    cold.save()
    assert marked_units(opened(tmp_path / "cache", root, files), "m0.py") == []


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


def test_the_folder_keeps_itself_out_of_git_and_only_ours_is_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", "v1")
    assert not cache.clear()
    cache.write("facts", "aa", b"value")
    assert (tmp_path / "cache" / ".gitignore").read_text() == "*\n"
    assert not list((tmp_path / "cache").rglob(".new-*"))
    assert cache.clear()
    (tmp_path / "mine").mkdir()
    assert not Cache(tmp_path / "mine", "v1").clear()
    assert (tmp_path / "mine").exists()


def test_digests_know_where_the_parts_end(tmp_path: Path) -> None:
    assert digest_of(b"ab", b"c") != digest_of(b"a", b"bc")
    code = tmp_path / "a.py"
    code.write_text("1")
    before = stamp_of("0.1", [code])
    code.write_text("2")
    assert stamp_of("0.1", [code]) != before
    assert time.time() > LONG_AGO
