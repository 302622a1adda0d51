"""What an earlier run found, when nothing that its findings depend on has changed since.

Findings depend on the bytes of every file of the project, on what was asked (rules, settings) and on ckptlint itself.
All three are named by digests; of one question about one root only the last answer is kept:

    findings/<digest of root, rules, settings, program>     (state of the files, findings of the whole index)

The state comes from the `FileIndex`, so a run over an unchanged project reads no source file at all, except those that
have findings. Comments are not part of this: they are heard anew in every run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from ckptlint.cache import Cache, digest_of
from ckptlint.facts.store import FactStore
from ckptlint.findings import Finding

_KIND = "findings"


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    state: str
    findings: list[Finding]


def earlier_or_new(cache: Cache, store: FactStore, asked: str, find: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings of an earlier run that was asked the same about the same bytes, or those that `find` gives."""
    state = store.state()
    if state is None:  # what cannot be read is tried again each time
        return find()
    key = digest_of(asked.encode("utf-8", "backslashreplace"), _program())
    stored = cache.read(_KIND, key)
    if stored is not None:
        try:
            answer = msgspec.msgpack.decode(stored, type=_Answer)
        except msgspec.MsgspecError:
            pass
        else:
            if answer.state == state:
                return answer.findings
    findings = find()
    if not store.changed_meanwhile:
        cache.write(_KIND, key, msgspec.msgpack.encode(_Answer(state, findings)))
    return findings


def _program() -> bytes:
    """A name for ckptlint's own files, by their sizes and times."""
    home = Path(__file__).parent
    facts = []
    for folder, _, names in os.walk(home):
        for name in names:
            if name.endswith((".py", ".toml")):
                status = os.stat(f"{folder}/{name}")  # noqa: PTH116 - a Path costs more than the call
                facts.append(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(sorted(facts)).encode("utf-8", "surrogateescape")
