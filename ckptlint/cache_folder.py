"""The cache folder as a whole: what is long out of use is taken out of it once a day, and it can be removed.

    .ckptlint_cache/<stamp>/used       its time is the day on which this stamp was last used

- The values of another version are kept for a week after its last run: a pre-commit hook and the command at hand may be
  of two versions, and neither should throw away what the other needs tomorrow.
- The facts of a file go when no `FileIndex` names its digest any more (the file was edited or deleted) and they are a
  week old. A digest may come back: a branch is left and entered again.
- Indexes and findings go a month after they were written. Nothing tells which root they are of, so those of roots that
  are gone can't be told from the others; the next run writes them again.

Only what ckptlint made is ever removed: folders named like a stamp, and in them the files of the kinds above. Nothing
here raises OSError: a cache that cannot be tidied is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ckptlint.cache import FOLDER, IGNORE, INDEXES, TAG, Cache, FileRecord

DAY = 86_400.0
KEPT_FACTS = KEPT_STAMPS = 7 * DAY
KEPT_ANSWERS = 30 * DAY

_STAMP = re.compile(r"\d+\.\d[\w.+]*-[0-9a-f]{12}")


def tidy(cache: Cache, now: float | None = None) -> None:
    """Note that the cache is used, and once a day take out what is long out of use; `now`: seconds since 1970."""
    now = time.time() if now is None else now
    if not os.path.isdir(cache.stamped):  # nothing could be written; Path.is_dir raises where it may not look
        return
    used = cache.stamped / "used"
    if now - _written(used) < DAY:
        return
    try:
        used.touch()
    except OSError:
        return
    for folder in _stamps(cache.folder):
        if folder != cache.stamped and now - max(_written(folder / "used"), _written(folder)) > KEPT_STAMPS:
            shutil.rmtree(folder, ignore_errors=True)
    named = _named(cache)
    for path in _values(cache.stamped):
        age = now - _written(path)
        kind = path.parent.parent.name
        if path.name.startswith(".new-"):  # the write was cut off
            gone = age > DAY
        elif kind == "facts":
            gone = age > KEPT_FACTS and path.name not in named
        else:
            gone = age > KEPT_ANSWERS
        if gone:
            with contextlib.suppress(OSError):
                path.unlink()


def remove(folder: Path) -> bool:
    """Remove a cache folder, or of a folder that holds other things too what is ours; False when there is nothing."""
    stamps = [*_stamps(folder)]
    if not stamps and not _is_tagged(folder) and folder.name != FOLDER:
        return False
    if folder.name == FOLDER:
        shutil.rmtree(folder)
        return True
    for stamp in stamps:
        shutil.rmtree(stamp)
    if _is_tagged(folder):
        (folder / "CACHEDIR.TAG").unlink()
        with contextlib.suppress(OSError):
            if (folder / ".gitignore").read_text("utf-8") == IGNORE:
                (folder / ".gitignore").unlink()
        with contextlib.suppress(OSError):  # it holds other things
            folder.rmdir()
    return True


def _is_tagged(folder: Path) -> bool:
    try:
        return (folder / "CACHEDIR.TAG").read_text("utf-8") == TAG
    except (OSError, ValueError):
        return False


def _stamps(folder: Path) -> Iterator[Path]:
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if _STAMP.fullmatch(path.name) and not path.is_symlink() and os.path.isdir(path):
            yield path


def _values(stamped: Path) -> Iterator[Path]:
    try:
        yield from sorted(stamped.glob("*/??/*"))
    except OSError:
        return


def _named(cache: Cache) -> set[str]:
    """The digests of the files that some index knows."""
    digests: set[str] = set()
    for path in _values(cache.stamped):
        if path.parent.parent.name != INDEXES:
            continue
        stored = cache.read(INDEXES, path.name)
        if stored is not None:
            with contextlib.suppress(msgspec.MsgspecError):
                records = msgspec.msgpack.decode(stored, type=dict[str, FileRecord])
                digests.update(record.digest for record in records.values())
    return digests


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
