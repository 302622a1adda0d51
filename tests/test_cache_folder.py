"""What is long out of use leaves the cache, quietly, and nothing is ever removed that ckptlint did not make."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from ckptlint.__main__ import main
from ckptlint.cache import FOLDER, INDEXES, Cache, FileRecord, digest_of
from ckptlint.cache_folder import DAY, remove, tidy

LONG_AGO = 1_500_000_000

STAMP, OLD_STAMP = "0.2.0-0123456789ab", "0.1.0.dev1-abcdefabcdef"
NOW = LONG_AGO + 1000 * DAY
SEED = Path(__file__).parents[1] / "fixtures" / "seed"


def made(folder: Path, kind: str, key: str, days_ago: float, value: bytes = b"value", stamp: str = STAMP) -> None:
    """A value that was written some days before now."""
    cache = Cache(folder, stamp)
    cache.write(kind, key, value)
    (path,) = cache.stamped.glob(f"{kind}/*/{key}")
    os.utime(path, (NOW - days_ago * DAY,) * 2)


def kept(folder: Path, kind: str, key: str, stamp: str = STAMP) -> bool:
    return Cache(folder, stamp).read(kind, key) is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / FOLDER


def test_facts_of_files_long_gone_leave_and_those_of_known_files_stay(folder: Path) -> None:
    known, gone, fresh = (digest_of(name) for name in (b"known", b"gone", b"fresh"))
    record = FileRecord(1, 2, 3, 4, known, True, False)
    made(folder, INDEXES, digest_of(b"a root"), 1, msgspec.msgpack.encode({"a.py": record}))
    made(folder, "facts", known, 500)
    made(folder, "facts", gone, 8)
    made(folder, "facts", fresh, 6)
    tidy(Cache(folder, STAMP), NOW)
    assert [kept(folder, "facts", key) for key in (known, gone, fresh)] == [True, False, True]


def test_answers_leave_after_a_month(folder: Path) -> None:
    for kind in (INDEXES, "findings"):
        made(folder, kind, digest_of(b"old"), 31)
        made(folder, kind, digest_of(b"new"), 29)
    tidy(Cache(folder, STAMP), NOW)
    for kind in (INDEXES, "findings"):
        assert [kept(folder, kind, digest_of(name)) for name in (b"old", b"new")] == [False, True]


def test_an_index_full_of_rubbish_names_nothing(folder: Path) -> None:
    made(folder, INDEXES, digest_of(b"a root"), 1, b"rubbish")
    made(folder, "facts", digest_of(b"gone"), 8)
    tidy(Cache(folder, STAMP), NOW)
    assert not kept(folder, "facts", digest_of(b"gone"))


@pytest.mark.parametrize(("days", "stays"), [(8, False), (6, True)])
def test_another_version_stays_for_a_week_after_its_last_run(folder: Path, days: float, stays: bool) -> None:
    made(folder, "facts", digest_of(b"a"), 100, stamp=OLD_STAMP)
    tidy(Cache(folder, OLD_STAMP), NOW)
    made(folder, "facts", digest_of(b"a"), 1)
    for path in (folder / OLD_STAMP, folder / OLD_STAMP / "used"):
        os.utime(path, (NOW - days * DAY,) * 2)
    tidy(Cache(folder, STAMP), NOW)
    assert (folder / OLD_STAMP).exists() is stays
    assert kept(folder, "facts", digest_of(b"a"))


def test_it_is_tidied_once_a_day(folder: Path) -> None:
    made(folder, "facts", digest_of(b"a"), 1)
    cache = Cache(folder, STAMP)
    tidy(cache, NOW)
    os.utime(cache.stamped / "used", (NOW, NOW))
    made(folder, "facts", digest_of(b"gone"), 8)
    tidy(cache, NOW + DAY / 2)
    assert kept(folder, "facts", digest_of(b"gone"))
    tidy(cache, NOW + DAY)
    assert not kept(folder, "facts", digest_of(b"gone"))


def test_writes_that_were_cut_off_leave(folder: Path) -> None:
    made(folder, "facts", "ab" * 20, 1)
    leftover = folder / STAMP / "facts" / "ab" / ".new-x"
    leftover.write_bytes(b"half")
    os.utime(leftover, (NOW - 2 * DAY,) * 2)
    tidy(Cache(folder, STAMP), NOW)
    assert not leftover.exists()


def test_there_is_nothing_to_tidy_where_nothing_was_written(folder: Path) -> None:
    tidy(Cache(folder, STAMP), NOW)
    assert not folder.exists()


def test_the_cache_of_an_older_version_is_neither_read_nor_spoken_of(tmp_path, monkeypatch, capsys) -> None:
    project = tmp_path / "seed"
    shutil.copytree(SEED, project, ignore=shutil.ignore_patterns(FOLDER))
    monkeypatch.chdir(project)
    assert main(["."]) == 1
    without = capsys.readouterr()
    (stamped,) = (path for path in (project / FOLDER).iterdir() if path.is_dir())
    old = stamped.rename(stamped.with_name(OLD_STAMP))
    for path in old.rglob("*"):
        if path.is_file():
            path.write_bytes(b"of another version")
        os.utime(path, (LONG_AGO, LONG_AGO))
    os.utime(old, (LONG_AGO, LONG_AGO))
    assert main(["."]) == 1
    assert capsys.readouterr() == without
    assert not old.exists()


def test_the_folder_keeps_itself_out_of_git_and_of_backups(folder: Path) -> None:
    made(folder, "facts", "aa", 0)
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "CACHEDIR.TAG").is_file()
    assert not list(folder.rglob(".new-*"))
    assert remove(folder)
    assert not folder.exists()


def test_a_folder_of_ones_own_keeps_what_is_in_it(tmp_path: Path) -> None:
    """`--cache-dir .`: the project's .gitignore stays, backups still take it, and `clean` leaves the project."""
    files = {".gitignore": "data/\n", "train.py": "x = 1\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    made(tmp_path, "facts", "aa", 0)
    assert (tmp_path / STAMP).is_dir()
    assert remove(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_folder_made_for_the_cache_is_removed_unless_somebody_put_something_in(tmp_path: Path) -> None:
    for name in ("cache", "shared"):
        made(tmp_path / name, "facts", "aa", 0)
    (tmp_path / "shared/notes.txt").write_text("mine")
    assert remove(tmp_path / "cache")
    assert remove(tmp_path / "shared")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["shared", "shared/notes.txt"]


def test_the_cache_of_another_program_is_left(tmp_path: Path) -> None:
    (tmp_path / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# of pip\n")
    (tmp_path / "http").mkdir()
    assert not remove(tmp_path)
    assert (tmp_path / "http").is_dir()
