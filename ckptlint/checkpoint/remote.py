"""Files elsewhere: `s3://`, `gs://`, `hf://`, `http://`, `memory://`, by fsspec (the extra `remote`).

Only the ranges that are asked for are fetched. A web server that does not do ranges sends the whole file however little
is asked for; then, and only then, it is downloaded once into a temporary file.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.source import Source

_BLOCK = 1 << 16
_PIECE = 1 << 20
_PROBE = 64


class Remote(Source):
    """A remote file as a source: reads are turned into range requests of at least 64 KB."""

    def __init__(self, url: str) -> None:
        """Ask for the size of the file.

        Raises BadCheckpoint when fsspec or what it needs for this scheme is not installed, or the file is not there.
        """
        try:
            import fsspec  # noqa: PLC0415 (an extra, and slow to import)
        except ImportError:
            raise BadCheckpoint(f"{url} is a remote file: `pip install ckptlint[remote]` to read it") from None
        self.name = url
        self._fd = -1
        self._local: Any = None
        self._blocks: dict[int, bytes] = {}
        try:
            self._system, self._path = fsspec.core.url_to_fs(url)
            size = self._system.info(self._path).get("size")
            self.size = 0 if size is None else int(size)
            self._file = self._system.open(self._path, "rb", cache_type="none")
        except ImportError as error:
            raise BadCheckpoint(f"{url} cannot be read: {error}; install it") from None
        except FileNotFoundError:
            raise BadCheckpoint(f"{url} does not exist") from None
        except (OSError, ValueError, RuntimeError) as error:
            raise BadCheckpoint(f"{url} cannot be read: {error or type(error).__name__}") from None
        if size is None or not self._does_ranges():
            self._download()

    def _does_ranges(self) -> bool:
        """Ask for the last bytes: fsspec refuses to read to the end of what a server without ranges sends for it."""
        start = max(0, self.size - _PROBE)
        try:
            self._file.seek(start)
            return len(self._file.read(self.size - start)) == self.size - start
        except ValueError:
            return False
        except OSError as error:
            raise BadCheckpoint(f"{self.name} cannot be read: {error or type(error).__name__}") from None

    def _download(self) -> None:
        """Fetch the whole file into a temporary one that vanishes with the source."""
        sys.stderr.write(f"ckptlint: {self.name}: the server sends no parts of files, so the whole file is fetched\n")
        self._local = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        try:
            with (
                self._system.open(self._path, "rb", block_size=0) as stream,
                Progress("download", 0, sys.stderr) as progress,
            ):
                while piece := stream.read(_PIECE):
                    self._local.write(piece)
                    progress.advance(len(piece))
        except (OSError, ValueError) as error:
            raise BadCheckpoint(f"{self.name} cannot be fetched: {error or type(error).__name__}") from None
        self.size = self._local.tell()

    @property
    def is_near(self) -> bool:
        """A read is a request, unless the file was fetched whole."""
        return self._local is not None

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`, by a range request; small reads share blocks of 64 KB."""
        length = max(0, min(length, self.size - start))
        if length == 0:
            return b""
        if self._local is not None:
            self._local.seek(start)
            return bytes(self._local.read(length))
        if length > _BLOCK:
            return self._fetch(start, start + length)
        first, last = start // _BLOCK, (start + length - 1) // _BLOCK
        for block in range(first, last + 1):
            if block not in self._blocks:
                self._blocks[block] = self._fetch(block * _BLOCK, min((block + 1) * _BLOCK, self.size))
        joined = b"".join(self._blocks[block] for block in range(first, last + 1))
        return joined[start - first * _BLOCK : start - first * _BLOCK + length]

    def _fetch(self, start: int, stop: int) -> bytes:
        try:
            self._file.seek(start)
            data = self._file.read(stop - start)
        except (OSError, ValueError, RuntimeError) as error:
            raise BadCheckpoint(f"{self.name} cannot be read: {error or type(error).__name__}") from None
        if len(data) != stop - start:
            raise BadCheckpoint(
                f"{self.name}: the server sent {len(data):,} bytes where {stop - start:,} were asked for"
            )
        return bytes(data)

    def close(self) -> None:
        """Drop what was fetched."""
        self._blocks.clear()
        self._file.close()
        if self._local is not None:
            self._local.close()
