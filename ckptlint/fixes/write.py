"""Put the new texts of a plan on the disk, all or none, and never half a file.

1. Stage: write each new content into a temporary file beside its target, with the target's mode and owner. A symlink is
   followed: its target is replaced, the link stays.
2. Compare: each file must still have the bytes that were analysed.
3. Exchange: rename all temporary files over their targets, with interrupts held off. When a rename fails, the files
   that were renamed before it get their old bytes back.

A file that fails a step cancels the fixes that need it; the others are planned again without them and written. An
interrupt that comes before step 3 leaves nothing changed and no temporary file; one that comes later waits until the
exchange is complete.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ckptlint.findings import Applicability, Finding
from ckptlint.fixes.interrupts import interrupts_held
from ckptlint.fixes.plan import Plan, paths_of, plan
from ckptlint.source import SourceFile, UnreadableSource, encode


class WriteReport(msgspec.Struct, frozen=True):
    """What was written: paths relative to the root, the fixes in them, and the fixes cancelled with their reason.

    `failed` has the files that could not be written, with the reason.
    """

    written: tuple[str, ...] = ()
    applied: tuple[Finding, ...] = ()
    cancelled: tuple[tuple[Finding, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class _UnwritableError(Exception):
    """A file that cannot be written; the message says why, in words that begin with the file."""


class _Staged(msgspec.Struct, frozen=True):
    """New bytes waiting in `temporary` to replace `target`, which had the bytes `old`."""

    path: str
    target: Path
    temporary: Path
    old: bytes


def write(chosen: Plan, root: Path, original: Mapping[str, SourceFile]) -> WriteReport:
    """Write the files of a plan; `original` has the files as they were analysed.

    Raises KeyboardInterrupt when interrupted (nothing is half-written then), never OSError.
    """
    cancelled: list[tuple[Finding, str]] = []
    all_failed: dict[str, str] = {}
    rest = chosen
    while rest.files:
        failed = _attempt(rest.files, root, original)
        if not failed:
            break
        all_failed |= failed
        kept: list[Finding] = []
        for finding in rest.applied:
            reasons = [failed[path] for path in _needs(finding) if path in failed]
            if reasons:
                cancelled.append((finding, reasons[0]))
            else:
                kept.append(finding)
        rest = plan(kept, lambda path: original[path].text, frozenset(Applicability), lambda _: True)
        cancelled += rest.refused
    return WriteReport(
        written=tuple(sorted(rest.files)),
        applied=rest.applied,
        cancelled=tuple(sorted(cancelled, key=lambda item: (item[0].order, item[1]))),
        failed=tuple(sorted(all_failed.items())),
    )


def _needs(finding: Finding) -> list[str]:
    return paths_of(finding.fix) if finding.fix is not None else []


def _attempt(files: Mapping[str, str], root: Path, original: Mapping[str, SourceFile]) -> dict[str, str]:
    """Write all files, or none and say which ones failed and why."""
    staged: list[_Staged] = []
    failed: dict[str, str] = {}
    with interrupts_held() as held:
        try:
            for path in sorted(files):
                if held.pending:
                    raise KeyboardInterrupt
                try:
                    staged.append(_stage(path, files[path], root, original[path]))
                except _UnwritableError as error:
                    failed[path] = str(error)
            failed = failed or _same_target(staged, files) or _changed(staged)
            if held.pending:
                raise KeyboardInterrupt
            return failed or _exchange(staged)
        finally:
            for one in staged:
                one.temporary.unlink(missing_ok=True)


def _stage(path: str, text: str, root: Path, original: SourceFile) -> _Staged:
    try:
        target = Path(os.path.realpath(root / path, strict=True))
        status = target.stat()
    except FileNotFoundError:
        raise _UnwritableError(f"{path} has vanished since it was read") from None
    except OSError as error:
        raise _UnwritableError(f"{path} cannot be reached: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise _UnwritableError(f"{path} is not a regular file")
    if status.st_nlink > 1:
        raise _UnwritableError(
            f"{path} is one of {status.st_nlink} hard links to one file; the others would keep the old text"
        )
    if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(target, os.W_OK):
        raise _UnwritableError(f"{path} is read-only")
    try:
        old, content = encode(original, original.text), encode(original, text)
    except UnreadableSource as error:
        raise _UnwritableError(f"{path} cannot be written: {error.reason}") from None
    try:
        temporary = _write_beside(target, content, status)
    except OSError as error:
        raise _UnwritableError(_why_not(path, target, error)) from None
    return _Staged(path, target, temporary, old)


def _write_beside(target: Path, content: bytes, status: os.stat_result) -> Path:
    """Write `content` to a new file in the folder of `target`, with its mode and, where we may, its owner."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:64]}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _give_to(name, status)
        os.chmod(name, stat.S_IMODE(status.st_mode))  # noqa: PTH101  (after the owner: changing him clears bits)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _give_to(name: str, status: os.stat_result) -> None:
    mine = os.stat(name)  # noqa: PTH116
    if hasattr(os, "chown") and (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
        try:
            os.chown(name, status.st_uid, status.st_gid)
        except PermissionError:
            return  # only root may give files away


def _why_not(path: str, target: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{path} cannot be replaced: its folder {target.parent.name or target.parent} is read-only"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"{path} cannot be written: the disk is full"
    return f"{path} cannot be written: {error.strerror or error}"


def _same_target(staged: list[_Staged], files: Mapping[str, str]) -> dict[str, str]:
    """Paths that are links to a file which another path of the plan changes in another way."""
    first: dict[Path, str] = {}
    failed: dict[str, str] = {}
    for one in staged:
        other = first.setdefault(one.target, one.path)
        if files[other] != files[one.path]:
            failed[one.path] = f"{one.path} is the same file as {other}, which is changed in another way"
    return failed


def _changed(staged: list[_Staged]) -> dict[str, str]:
    """Files that no longer have the bytes that were analysed."""
    failed: dict[str, str] = {}
    for one in staged:
        try:
            if one.target.read_bytes() != one.old:
                failed[one.path] = f"{one.path} was changed by somebody else since it was read; run again"
        except OSError as error:
            failed[one.path] = f"{one.path} cannot be read any more: {error.strerror or error}"
    return failed


def _exchange(staged: list[_Staged]) -> dict[str, str]:
    """Rename all, or put back what was renamed and say which one failed."""
    for number, one in enumerate(staged):
        try:
            os.replace(one.temporary, one.target)  # noqa: PTH105
        except OSError as error:
            return {one.path: _why_not(one.path, one.target, error), **_put_back(staged[:number])}
    return {}


def _put_back(staged: list[_Staged]) -> dict[str, str]:
    """Give files their old bytes again; the ones where that fails, and why."""
    failed: dict[str, str] = {}
    for one in staged:
        try:
            os.replace(_write_beside(one.target, one.old, one.target.stat()), one.target)  # noqa: PTH105
        except OSError as error:
            failed[one.path] = f"{one.path} was changed and cannot be changed back: {error.strerror or error}"
    return failed
