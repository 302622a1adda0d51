"""Where the bytes of a checkpoint come from: a local file, a part of one, a remote file through fsspec.

A `Source` knows its size and reads ranges, nothing else, so that a listing of a 100 GB file on object storage fetches
the few kilobytes that it needs. Whether a path is remote is told by its `scheme://`.
"""

from __future__ import annotations

import os
import stat

from ckptlint.checkpoint.model import BadCheckpoint

_MOST_AT_ONCE = 1 << 26


class Source:
    """A run of bytes that can be read at any place; this class is the local file."""

    def __init__(self, name: str) -> None:
        """Open a local regular file.

        Raises BadCheckpoint for what is missing, unreadable or no regular file (a fifo would block, a device never
        ends).
        """
        self.name = name
        self._fd = -1
        try:
            kind = os.stat(name).st_mode  # noqa: PTH116 (pathlib costs 10 ms of a start that may take 100)
            if not stat.S_ISREG(kind):
                raise BadCheckpoint(f"{name} is {_KINDS.get(stat.S_IFMT(kind), 'no regular file')}: name a file")
            self._fd = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            raise BadCheckpoint(f"{name} cannot be read: {error.strerror or error}") from None
        except ValueError:
            raise BadCheckpoint(f"{name!r} is no file name") from None

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`, fewer where the file ends first."""
        pieces = []
        while length > 0:
            try:
                piece = read_at(self._fd, min(length, _MOST_AT_ONCE), start)
            except OSError as error:
                raise BadCheckpoint(f"{self.name} cannot be read: {error.strerror or error}") from None
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def is_near(self) -> bool:
        """Whether a small read costs little."""
        return True

    @property
    def descriptor(self) -> int | None:
        """The file descriptor, for copying inside the kernel; None where there is none."""
        return self._fd if self._fd >= 0 else None

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Source:
        """Close it at the end of a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def read_at(descriptor: int, length: int, start: int) -> bytes:
    """At most `length` bytes from `start` of an open file."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, start)
    os.lseek(descriptor, start, os.SEEK_SET)  # Windows
    return os.read(descriptor, length)


class Section(Source):
    """`length` bytes of another source from `start`, seen as a source of its own (a zip inside a .distcp file)."""

    def __init__(self, parent: Source, start: int, length: int) -> None:
        """A view; closing it leaves the parent open."""
        self.name = parent.name
        self.parent = parent
        self.start = start
        self.size = max(0, min(length, parent.size - start))
        self._fd = -1

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start` of the section, never beyond it."""
        return self.parent.read(self.start + start, max(0, min(length, self.size - start)))


class Memory(Source):
    """Bytes at hand."""

    def __init__(self, data: bytes, name: str = "<memory>") -> None:
        """A source of these bytes."""
        self.name = name
        self.data = data
        self.size = len(data)
        self._fd = -1

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`."""
        return self.data[start : start + length]


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a disk device",
    stat.S_IFSOCK: "a socket",
}


def is_remote(path: str) -> bool:
    """Whether `path` names a file elsewhere (`s3://bucket/best.pth`)."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").isalnum()


def open_source(path: str) -> Source:
    """Open a local or remote file."""
    if is_remote(path):
        from ckptlint.checkpoint.remote import Remote  # noqa: PLC0415 (fsspec is an extra, and slow to import)

        return Remote(path)
    return Source(path)
