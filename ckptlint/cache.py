"""What earlier runs found out, kept on disk so that the next run need not.

A cache folder may be thrown away at any time, shared by runs at the same time, read-only, or full of rubbish: a value
is there and whole, or it is not there. Values are kept by kind and by key, and a key is a digest of all that the value
was made from, so that nothing is ever out of date:

    .ckptlint_cache/.gitignore                   "*"
    .ckptlint_cache/<stamp>/facts/3f/3fa9...     one file's facts, by the digest of its bytes
    .ckptlint_cache/<stamp>/files/...            one root's `FileIndex`

The stamp names the version and the code that made the values; `cache_folder` takes out those of old ones. A value is
written under another name and then renamed, behind a checksum. A write that fails turns writing off for the rest of the
run; `problem` says why.

`FileIndex` spares the reading of files that have not changed, as git does: a file with the size, times and inode of
last time has the digest of last time. A file that was written within two seconds of being read may have been written
twice in one tick of the clock, so it is not trusted but read again.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

FOLDER = ".ckptlint_cache"
RACY_NANOSECONDS = 2_000_000_000
INDEXES = "files"
IGNORE = "*\n"
TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of ckptlint.\n"
_CHECKSUM = 8


def digest_of(*parts: bytes) -> str:
    """A name for some bytes; different splits of the same bytes have different names."""
    state = blake2b(digest_size=20)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def stamp_of(version: str, code: Iterable[Path]) -> str:
    """A name for a version and the source files whose work is kept."""
    files = sorted(code)
    return f"{version}-{digest_of(*(path.read_bytes() for path in files))[:12]}"


class Cache:
    """Values by kind and key below one folder. No method raises OSError."""

    def __init__(self, folder: Path, stamp: str) -> None:
        self.folder = folder
        self.problem: str | None = None
        self.stamped = folder / stamp
        self._made: set[Path] = set()

    def read(self, kind: str, key: str) -> bytes | None:
        """The value, or None where there is none that is whole."""
        try:
            stored = self._path(kind, key).read_bytes()
        except OSError:
            return None
        checksum, value = stored[:_CHECKSUM], stored[_CHECKSUM:]
        return value if checksum == _checksum(kind, key, value) else None

    def write(self, kind: str, key: str, value: bytes) -> None:
        """Keep a value. When that fails, `problem` says why, and nothing more is written."""
        if self.problem is not None:
            return
        path = self._path(kind, key)
        try:
            self._make(path.parent)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_checksum(kind, key, value) + value)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            self.problem = f"the cache folder {self.folder} cannot be written: {error.strerror or error}"

    def _path(self, kind: str, key: str) -> Path:
        return self.stamped / kind / key[:2] / key

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        if not self._made:
            self._make_own()
        folder.mkdir(parents=True, exist_ok=True)
        self._made.add(folder)

    def _make_own(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder.name == FOLDER or not any(self.folder.iterdir()):  # a folder with other things keeps its own
            for name, text in ((".gitignore", IGNORE), ("CACHEDIR.TAG", TAG)):
                if not (self.folder / name).exists():
                    (self.folder / name).write_text(text)


def _checksum(kind: str, key: str, value: bytes) -> bytes:
    return blake2b(value, digest_size=_CHECKSUM, key=f"{kind}/{key}".encode()[:64]).digest()


class FileRecord(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a file, and by what it is recognised: size in bytes, times in nanoseconds since 1970."""

    size: int
    modified: int
    changed: int
    inode: int
    digest: str
    marked: bool
    comments: bool


class FileIndex:
    """The files of one root by relative path, as they were when they were last read.

    `markers` are the user's own texts that mark a file: with others, other files are marked.
    """

    def __init__(self, cache: Cache, root: Path, markers: Sequence[bytes] = ()) -> None:
        self.markers = tuple(markers)
        self._cache = cache
        self._key = digest_of(str(root).encode("utf-8", "surrogateescape"), *self.markers)
        self._records = self._load()
        self._changed = False

    def look_up(self, relative: str, status: os.stat_result) -> FileRecord | None:
        """The record of a file that has not changed since it was read; `status` is what `os.stat` says now."""
        record = self._records.get(relative)
        if record is None or record.size != status.st_size or record.modified != status.st_mtime_ns:
            return None
        return record if record.changed == status.st_ctime_ns and record.inode == status.st_ino else None

    def note(self, relative: str, status: os.stat_result, digest: str, marked: bool, comments: bool) -> None:
        """Keep what was found out about a file; `status` must be from before it was read.

        `comments`: whether a comment for us may stand in it.
        """
        if status.st_mtime_ns > time.time_ns() - RACY_NANOSECONDS:
            if self._records.pop(relative, None) is not None:
                self._changed = True
            return
        self._records[relative] = FileRecord(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest, marked, comments
        )
        self._changed = True

    def save(self, files: Iterable[str]) -> None:
        """Write the records of these files, if there is anything new, and forget all others."""
        kept = {relative: self._records[relative] for relative in sorted(files) if relative in self._records}
        if self._changed or len(kept) != len(self._records):
            self._cache.write(INDEXES, self._key, msgspec.msgpack.encode(kept))
            self._records = kept
            self._changed = False

    def _load(self) -> dict[str, FileRecord]:
        stored = self._cache.read(INDEXES, self._key)
        if stored is None:
            return {}
        try:
            return msgspec.msgpack.decode(stored, type=dict[str, FileRecord])
        except msgspec.MsgspecError:
            return {}
