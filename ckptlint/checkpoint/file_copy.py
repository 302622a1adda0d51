"""Copy bytes from file to file without looking at them, and put a finished file in its place.

The kernel copies (`copy_file_range`; a whole file is cloned where the file system can), holes stay holes, and memory
does not grow with the file. A new file is written beside its place, flushed to the disk and renamed: whatever happens,
the place holds the old file, or the new one, or nothing, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from types import FrameType

from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.source import read_at

_PIECE = 1 << 26
_FICLONE = 0x40049409  # linux/fs.h
_ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_NOT_HERE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM, errno.EBADF)


@contextlib.contextmanager
def replacing(path: str, *, force: bool) -> Iterator[str]:
    """The name of an empty file beside `path` that becomes `path` when the block ends without an exception.

    Raises BadCheckpoint when `path` exists and `force` is not given, or its folder cannot be written.
    """
    if not force and os.path.lexists(path):
        raise BadCheckpoint(f"{path} exists already: name another file, or give --force to replace it")
    if os.path.isdir(path):  # noqa: PTH112
        raise BadCheckpoint(f"{path} is a folder: name a file")
    target = os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114
    folder = os.path.dirname(target) or "."  # noqa: PTH120
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", suffix=".part", dir=folder)  # noqa: PTH119
    except OSError as error:
        raise BadCheckpoint(f"{folder} cannot be written: {error.strerror or error}") from None
    os.close(handle)
    try:
        with _ending_in_order():
            yield beside
        os.chmod(beside, _mode_of_new_files())  # noqa: PTH101
        _flush(beside)
        _take_place(beside, target, force=force)
        with contextlib.suppress(PermissionError):  # Windows opens no folders
            _flush(folder)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)  # noqa: PTH108


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP (a scheduler's limit, a closed terminal) end the program as Ctrl-C does.

    That is by an exception, so that what is half written goes. A signal that somebody else handles or ignores stays
    theirs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    mine = [number for number in _ENDINGS if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _take_place(beside: str, target: str, *, force: bool) -> None:
    """Give the finished file its name; without `force` never that of a file that has appeared in the meantime."""
    if not force:
        try:
            os.link(beside, target)
        except FileExistsError:
            raise BadCheckpoint(
                f"{target} appeared while the copy was written, and was kept: choose another name"
            ) from None
        except (OSError, AttributeError):
            pass  # a file system without links
        else:
            return
    os.replace(beside, target)  # noqa: PTH105


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clone(source: int, target: int) -> bool:
    """Make `target` share the blocks of `source`, where the file system can (btrfs, XFS, APFS by another call)."""
    try:
        import fcntl  # noqa: PLC0415 (not on Windows)

        fcntl.ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def copy_range(source: int, start: int, length: int, target: int, at: int, progress: Progress | None = None) -> None:
    """Copy `length` bytes from `start` of one descriptor to `at` of another.

    Raises BadCheckpoint when the source ends first.
    """
    end = start + length
    for first, last in _data(source, start, end):
        _copy_data(source, first, last, target, at + first - start, progress)
    if os.fstat(target).st_size < at + length:
        os.ftruncate(target, at + length)


def _data(source: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a range that are not holes."""
    if not hasattr(os, "SEEK_DATA"):
        yield start, end
        return
    size = os.fstat(source).st_size
    if end > size:
        raise BadCheckpoint("the file became shorter while it was copied")
    while start < end:
        try:
            first = os.lseek(source, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole to the end
                return
            yield start, end
            return
        if first >= end:
            return
        last = min(os.lseek(source, first, os.SEEK_HOLE), end)
        yield first, last
        start = last


def _copy_data(source: int, first: int, last: int, target: int, at: int, progress: Progress | None) -> None:
    in_kernel = hasattr(os, "copy_file_range")
    while first < last:
        wanted = min(_PIECE, last - first)
        done = 0
        if in_kernel:
            try:
                done = os.copy_file_range(source, target, wanted, first, at)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
            in_kernel = done > 0
        if not in_kernel:
            piece = read_at(source, min(wanted, 1 << 22), first)
            if not piece:
                raise BadCheckpoint("the file became shorter while it was copied")
            done = write_all(target, piece, at)
        first += done
        at += done
        if progress is not None:
            progress.advance(done)


def write_all(target: int, data: bytes, at: int) -> int:
    """Write all of `data` at an offset; the number of bytes."""
    view = memoryview(data)
    written = 0
    while written < len(view):
        if hasattr(os, "pwrite"):
            written += os.pwrite(target, view[written:], at + written)
        else:  # Windows
            os.lseek(target, at + written, os.SEEK_SET)
            written += os.write(target, view[written:])
    return written
