"""New contents reach the disk all or none, and never half a file."""

from __future__ import annotations

import errno
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ckptlint.findings import Applicability, Finding
from ckptlint.fixes.apply import WriteReport, plan, write
from ckptlint.fixes.interrupts import interrupts_held
from ckptlint.source import SourceFile, decode

from .sample import change, finding


class Project:
    """Files below `root` as they were analysed; each fix replaces the `x` at the beginning of files by `y`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.original: dict[str, SourceFile] = {}

    def put(self, path: str, data: bytes = b"x = 1\n") -> Path:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_bytes(data)
        self.original[path] = decode(path, data)
        return self.root / path

    def write(self, *findings: Finding) -> WriteReport:
        read = {path: source.text for path, source in self.original.items()}
        chosen = plan(findings, read.__getitem__, frozenset(Applicability), lambda _: True)
        return write(chosen, self.root, self.original)

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in self.root.rglob("*.tmp"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    assert made.leftovers() == []


def renames(*paths: str) -> Finding:
    return finding(*(change(path, 1, 1, 2, "y") for path in paths))


def test_files_are_written_and_reported(project: Project) -> None:
    a, b = project.put("a.py"), project.put("lib/b.py")
    fix = renames("a.py", "lib/b.py")
    assert project.write(fix) == WriteReport(written=("a.py", "lib/b.py"), applied=(fix,))
    assert a.read_bytes() == b.read_bytes() == b"y = 1\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"x = 1\r\nz = 1\r\n", b"y = 1\r\nz = 1\r\n"),
        (b"\xef\xbb\xbfx = 1\n", b"\xef\xbb\xbfy = 1\n"),
        (b"# coding: latin-1 \xe9\nx = 1\n", b"# coding: latin-1 \xe9\ny = 1\n"),
        (b"x = 1\nz = 1\r\nz = 2", b"y = 1\nz = 1\r\nz = 2"),
    ],
)
def test_newlines_encoding_and_byte_order_mark_stay(project: Project, before: bytes, after: bytes) -> None:
    a = project.put("a.py", before)
    project.write(finding(change("a.py", 2 if before.startswith(b"#") else 1, 1, 2, "y")))
    assert a.read_bytes() == after


def test_the_mode_stays(project: Project) -> None:
    a = project.put("a.py")
    a.chmod(0o751)
    project.write(renames("a.py"))
    assert stat.S_IMODE(a.stat().st_mode) == 0o751


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(project: Project) -> None:
    a = project.put("a.py")
    os.chown(a, 1234, 4321)
    project.write(renames("a.py"))
    assert (a.stat().st_uid, a.stat().st_gid) == (1234, 4321)


def test_a_symlink_stays_and_its_target_changes(project: Project) -> None:
    target = project.put("real/a.py")
    link = project.root / "a.py"
    link.symlink_to("real/a.py")
    project.original["a.py"] = project.original["real/a.py"]
    assert project.write(renames("a.py")).written == ("a.py",)
    assert link.is_symlink()
    assert target.read_bytes() == b"y = 1\n"


def test_a_file_and_a_link_to_it_may_have_the_same_change(project: Project) -> None:
    target = project.put("a.py")
    (project.root / "b.py").symlink_to("a.py")
    project.original["b.py"] = project.original["a.py"]
    assert project.write(renames("a.py"), renames("b.py")).written == ("a.py", "b.py")
    assert target.read_bytes() == b"y = 1\n"


def test_a_file_and_a_link_to_it_cannot_have_different_changes(project: Project) -> None:
    target = project.put("a.py")
    (project.root / "b.py").symlink_to("a.py")
    project.original["b.py"] = project.original["a.py"]
    report = project.write(renames("a.py"), finding(change("b.py", 1, 5, 6, "2")))
    assert [reason for _, reason in report.cancelled] == [
        "b.py is the same file as a.py, which is changed in another way"
    ]
    assert target.read_bytes() == b"y = 1\n"


def cancels(project: Project, bad: str, expected: str) -> None:
    """A fix over `bad` and a good file is cancelled with `expected`; a fix of another good file goes ahead."""
    a, other = project.put("a.py"), project.put("other.py")
    needs_bad, good = renames("a.py", bad), renames("other.py")
    report = project.write(needs_bad, good)
    assert (report.written, report.applied) == (("other.py",), (good,))
    assert report.cancelled == ((needs_bad, expected),)
    assert report.failed == ((bad, expected),)
    assert a.read_bytes() == b"x = 1\n"
    assert other.read_bytes() == b"y = 1\n"


def test_a_file_that_somebody_changed_meanwhile_is_not_overwritten(project: Project) -> None:
    bad = project.put("bad.py")
    bad.write_bytes(b"x = 2\n")
    cancels(project, "bad.py", "bad.py was changed by somebody else since it was read; run again")
    assert bad.read_bytes() == b"x = 2\n"


def test_a_file_that_vanished(project: Project) -> None:
    project.put("bad.py").unlink()
    cancels(project, "bad.py", "bad.py has vanished since it was read")


def test_a_file_that_became_a_folder(project: Project) -> None:
    bad = project.put("bad.py")
    bad.unlink()
    bad.mkdir()
    cancels(project, "bad.py", "bad.py is not a regular file")


def test_a_file_that_became_a_loop_of_links(project: Project) -> None:
    bad = project.put("bad.py")
    bad.unlink()
    bad.symlink_to("bad.py")
    cancels(project, "bad.py", f"bad.py cannot be reached: {os.strerror(errno.ELOOP)}")


def test_a_hard_link_is_not_torn_from_the_others(project: Project) -> None:
    bad = project.put("bad.py")
    os.link(bad, project.root / "second.py")
    cancels(project, "bad.py", "bad.py is one of 2 hard links to one file; the others would keep the old text")


def test_a_read_only_file_is_left_alone(project: Project) -> None:
    project.put("bad.py").chmod(0o444)
    cancels(project, "bad.py", "bad.py is read-only")


def fail(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, when: Callable[..., bool], number: int) -> None:
    """Let a system call fail with the error `number` for the arguments that `when` picks."""
    real = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if when(*args, **kwargs):
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, call)


def test_a_read_only_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.put("locked/bad.py")
    fail(monkeypatch, tempfile, "mkstemp", lambda **kwargs: kwargs["dir"].name == "locked", errno.EACCES)
    cancels(project, "locked/bad.py", "locked/bad.py cannot be replaced: its folder locked is read-only")


def test_a_full_disk_leaves_no_temporary_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.put("bad.py")
    calls = iter([False, True])  # a.py is staged first, then bad.py
    fail(monkeypatch, os, "fsync", lambda _: next(calls, False), errno.ENOSPC)
    cancels(project, "bad.py", "bad.py cannot be written: the disk is full")


def test_a_rename_that_fails_gives_the_renamed_files_their_old_bytes_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.put("bad.py")
    fail(monkeypatch, os, "replace", lambda _, target: target.name == "bad.py", errno.EBUSY)
    cancels(project, "bad.py", f"bad.py cannot be written: {os.strerror(errno.EBUSY)}")


def test_a_character_that_the_encoding_lacks(project: Project) -> None:
    a = project.put("a.py", b"# coding: latin-1\nx = 1\n")
    fix = finding(change("a.py", 2, 5, 6, "'\N{SNOWMAN}'"))
    report = project.write(fix)
    assert report.written == ()
    assert report.cancelled[0][1].startswith("a.py cannot be written: ")
    assert a.read_bytes() == b"# coding: latin-1\nx = 1\n"


def test_ctrl_c_before_the_exchange_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [project.put("a.py"), project.put("b.py")]
    real = os.fsync

    def interrupted(descriptor: int) -> None:
        signal.raise_signal(signal.SIGINT)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        project.write(renames("a.py", "b.py"))
    assert {file.read_bytes() for file in files} == {b"x = 1\n"}


def test_ctrl_c_in_the_middle_of_the_exchange_waits_for_its_end(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [project.put("a.py"), project.put("b.py")]
    real = os.replace

    def interrupted(source: Path, target: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        real(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        project.write(renames("a.py", "b.py"))
    assert {file.read_bytes() for file in files} == {b"y = 1\n"}


def test_an_interrupt_is_swallowed_by_no_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler of the caller's own that returns must not make an interrupted write look done."""
    project.put("a.py")
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGTERM))
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            project.write(renames("a.py"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interrupts_held():
        assert signal.getsignal(signal.SIGINT) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_can_write_too(project: Project) -> None:
    a = project.put("a.py")
    thread = threading.Thread(target=project.write, args=(renames("a.py"),))
    thread.start()
    thread.join()
    assert a.read_bytes() == b"y = 1\n"
