"""Write a mended copy of a checkpoint: keys renamed or dropped, every tensor's bytes copied as they are.

    plan = plan_repair("ddp.pth", KeyEdits(strip=("module.",)))
    print("\\n".join(plan.lines()))
    write_repair(plan, "bare.pth")

The pickle is read into inert values, the keys are changed there, and it is emitted again. Stripping a prefix makes it
shorter, so the usual mend copies the file (or clones it), writes the new pickle over the old one and sets its length
and checksum in the directory: no record moves. Where that does not fit (records drop out, the pickle grew, the file is
of the legacy format) a new zip is written, its records copied by ranges. Either way memory does not grow with the file,
the copy is read again and compared before it takes its name, and the original stays untouched.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterator
from struct import pack
from typing import NamedTuple

from ckptlint.checkpoint.emit import Emitted, emit
from ckptlint.checkpoint.file_copy import clone, copy_range, replacing, write_all
from ckptlint.checkpoint.fold import fold
from ckptlint.checkpoint.inert import Call, OrderedDictValue
from ckptlint.checkpoint.key_edits import KeyEdits, KeyPlan, rename_metadata
from ckptlint.checkpoint.machine import collector_paused
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Tensor, Value
from ckptlint.checkpoint.module_state import with_state_dicts
from ckptlint.checkpoint.opened import Opened, open_for_rewriting
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.read import open_checkpoint, read_source
from ckptlint.checkpoint.renames import infer_renames
from ckptlint.checkpoint.source import Source, is_remote
from ckptlint.checkpoint.summary import plain_name
from ckptlint.checkpoint.tree import find_entries
from ckptlint.checkpoint.zip_directory import Member, payload_start
from ckptlint.checkpoint.zip_write import Payload, write_zip

_ALIGNMENT = 64
_DESCRIPTOR = 16  # bytes; 24 only for records of 4 GB
_MAX_ALIGNMENT = 1 << 15  # the padding stands in an extra field, which holds 65,535 bytes at most
_OF_TORCH_SAVE = (".format_version", ".storage_alignment", "byteorder", "version", ".data/serialization_id")


class RepairPlan(NamedTuple):
    """What a repair will do: for each state dict of the file (by entry name) what becomes of its keys.

    With `modules`, pickled modules are replaced by their state dicts first.
    """

    checkpoint: Checkpoint
    keys: dict[str, KeyPlan]
    modules: bool = False

    def lines(self) -> Iterator[str]:
        """The plan in words, folded by layer."""
        if self.modules:
            for entry in self.checkpoint.entries:
                if entry.kind == "module":
                    yield f"replace {entry.name or 'the module'} ({entry.summary}) by its state dict"
        for name, plan in self.keys.items():
            changed = plan.changed
            dropped = [key for key, new in changed.items() if new is None]
            renamed = {key: new for key, new in changed.items() if new is not None}
            of = f" of {name}" if name else ""
            if renamed:
                yield f"rename {len(renamed):,} of {len(plan.names):,} keys{of}"
                yield from _rename_lines(renamed)
            if dropped:
                yield f"drop {len(dropped):,} of {len(plan.names):,} keys{of}"
                yield from _folded(plain_name(key) for key in dropped)


def _rename_lines(renamed: dict[str, str]) -> Iterator[str]:
    """One line for each prefix that changes, then the pairs that no prefix explains."""
    numbers = {old: number for number, old in enumerate(renamed)}
    rules = infer_renames(numbers, {new: numbers[old] for old, new in renamed.items()})
    for rule in rules:
        old, new = plain_name(rule.old) or "(nothing)", plain_name(rule.new) or "(nothing)"
        yield f"  {old} -> {new} in front of {len(rule.keys):,} keys"
    explained = {old for rule in rules for old, _ in rule.keys}
    rest = [(old, new) for old, new in renamed.items() if old not in explained]
    for old, new in rest[:20]:
        yield f"  {plain_name(old)} -> {plain_name(new)}"
    if len(rest) > 20:
        yield f"  and {len(rest) - 20:,} more"


def _folded(texts: Iterator[str]) -> Iterator[str]:
    lines = fold((text, None) for text in texts)
    for line in lines[:20]:
        yield f"  {line.pattern}" + (f"  {len(line.keys):,} x" if len(line.keys) > 1 else "")
    if len(lines) > 20:
        yield f"  and {len(lines) - 20:,} more"


def plan_repair(path: str, edits: KeyEdits, entry: str | None = None, *, modules: bool = False) -> RepairPlan:
    """What `edits` do to the state dicts of a file, or to the one that is named; with `modules`, pickled modules are
    turned into state dicts as well.

    Raises BadCheckpoint when the file cannot be read, has no such entry, nothing would change, or keys would collide.
    """
    if is_remote(path):
        raise BadCheckpoint(f"{path} is a remote file: copy it here first")
    checkpoint = open_checkpoint(path)
    kinds = ("state dict", "module") if modules else ("state dict",)
    state_dicts = [found.name for found in checkpoint.entries if found.kind in kinds]
    if entry is not None and entry not in state_dicts:
        names = ", ".join(repr(name) for name in state_dicts) or "none"
        raise BadCheckpoint(f"{path} has no state dict {entry!r}; it has {names}")
    plans = {}
    for name in state_dicts:
        if entry is None or name == entry:
            depths = _depths(checkpoint)
            keys = [
                _own_key(tensor, depths) for tensor in checkpoint.tensors if tensor.entry == name and tensor.persistent
            ]
            keys += [_own_key(value, depths) for value in checkpoint.values if value.entry == name]
            plans[name] = edits.plan(dict.fromkeys(keys))
    changed = {name: plan for name, plan in plans.items() if plan.changed}
    if not changed and edits != KeyEdits():
        # A prefix that is not there is a mistake in the command, not a file that is fine.
        looked = ", ".join(name or "the state dict" for name in plans) or "no state dict"
        if any(found.kind == "module" for found in checkpoint.entries):
            looked = "a pickled module: --state-dict takes its state dict out"
        raise BadCheckpoint(f"{path}: no key matches (looked at {looked}), so there is nothing to mend")
    return RepairPlan(checkpoint, changed, modules)


def _depths(checkpoint: Checkpoint) -> dict[str, int | None]:
    """How long the path to a state dict is, by entry; None for a module, whose keys are not steps of a path."""
    return {entry.name: None if entry.kind == "module" else len(entry.path) for entry in checkpoint.entries}


def _own_key(member: Tensor | Value, depths: dict[str, int | None]) -> str:
    """The key in the state dict itself, also of a tensor that lies deeper in one of its values."""
    depth = depths[member.entry]
    if depth is None:
        return member.key
    return str(member.path[depth]) if len(member.path) > depth else ""


def write_repair(plan: RepairPlan, out: str, *, force: bool = False) -> None:
    """Carry out a plan: write the mended file to `out`, a zip, and read it again before it takes its name.

    Raises BadCheckpoint when `out` exists and `force` is not given, or the result is not what was planned.
    """
    path = plan.checkpoint.path
    with collector_paused(), Source(path) as source, replacing(out, force=force) as beside:
        opened = open_for_rewriting(source, plan.checkpoint, script=plan.modules)
        if plan.modules:
            others = {name: payload for name, payload in opened.others.items() if name in _OF_TORCH_SAVE}
            value = with_state_dicts(opened.value, plan.checkpoint)
            opened = opened._replace(value=value, others=others, archive=None)
        apply_plan(opened.value, plan.keys)
        emitted = emit(opened.value, opened.blob)
        used = _used_keys(emitted)
        if not _write_over(source, opened, emitted, used, beside):
            _write_anew(opened, emitted, used, beside)
        _verify(plan, beside)


def apply_plan(value: object, plans: dict[str, KeyPlan]) -> None:
    """Rename and drop the keys in the tree of values itself."""
    done: set[int] = set()
    for path, entry, kind in find_entries(value):
        name = ".".join(plain_name(step) for step in path)
        plan = plans.get(name)
        if plan is None or kind != "state dict" or id(entry) in done:
            continue
        done.add(id(entry))
        if isinstance(entry, dict):
            items = _renamed(list(entry.items()), plan)
            entry.clear()
            entry.update(items)
            if isinstance(entry, OrderedDictValue) and isinstance(entry.state, dict):
                metadata = entry.state.get("_metadata")
                if isinstance(metadata, dict):
                    renamed = rename_metadata(metadata, plan)
                    metadata.clear()
                    metadata.update(renamed)
        elif isinstance(entry, Call) and entry.assigned is not None:
            entry.assigned = _renamed(entry.assigned, plan)


def _renamed(items: list[tuple[object, object]], plan: KeyPlan) -> list[tuple[object, object]]:
    made: list[tuple[object, object]] = []
    for key, value in items:
        new = plan.names.get(key, key) if isinstance(key, str) else key
        if new is not None:
            made.append((new, value))
    return made


def _used_keys(emitted: Emitted) -> list[str]:
    """The keys of the storages that are still referred to, in the order in which a reader meets them."""
    keys: dict[str, None] = {}
    for reference in emitted.persistent:
        parts = reference.value
        if isinstance(parts, tuple) and len(parts) >= 5 and parts[0] == "storage":
            keys[str(parts[2])] = None
    return list(keys)


def _write_over(source: Source, opened: Opened, emitted: Emitted, used: list[str], beside: str) -> bool:
    """Copy the file and write the new pickle over the old one; False when it does not fit there."""
    archive = opened.archive
    if archive is None or source.descriptor is None or set(used) != set(opened.storages):
        return False
    member = archive.directory.members[f"{archive.root}data.pkl"]
    if member.method != 0:
        return False
    start = payload_start(source, member)
    described = _has_descriptor(source, member, start)
    if len(emitted.data) > member.size or described is None:
        return False
    crc = zlib.crc32(emitted.data) if member.crc else 0  # the writer may have left checksums out
    numbers = pack("<3L", crc, len(emitted.data), len(emitted.data))
    data = emitted.data + (b"PK\7\x08" + numbers if described else b"")
    target = os.open(beside, os.O_RDWR)
    try:
        if not clone(source.descriptor, target):
            with Progress("copy", source.size, sys.stderr) as progress:
                copy_range(source.descriptor, 0, source.size, target, 0, progress)
        # Between the end of the new pickle and the next record lie zeros, which belong to no record.
        write_all(target, data.ljust(member.size + (_DESCRIPTOR if described else 0), b"\0"), start)
        if not described:
            write_all(target, numbers, member.header + 14)
        write_all(target, numbers, archive.directory.entry_start(source, member.name) + 16)
    finally:
        os.close(target)
    return True


def _has_descriptor(source: Source, member: Member, start: int) -> bool | None:
    """Whether length and checksum follow the record instead of standing in its header; None when neither holds."""
    header = source.read(member.header, 18)
    if not header[6] & 0x08:
        return False
    described = source.read(start + member.size, _DESCRIPTOR)
    expected = b"PK\7\x08" + pack("<3L", member.crc, member.size, member.size)
    return True if described == expected else None


def _write_anew(opened: Opened, emitted: Emitted, used: list[str], beside: str) -> None:
    """A new zip of the pickle, the small records and the storages that are still used."""
    lost = [key for key in used if key not in opened.storages]
    if lost:
        raise BadCheckpoint(f"the data of the storage {plain_name(lost[0])!r} is not in the file: it cannot be copied")
    root = opened.root
    payloads = [Payload(f"{root}data.pkl", emitted.data)]
    others = dict(opened.others)
    if ".format_version" in others:
        # "1" lets torch compute offsets from the order of all keys, which no longer holds when some are gone.
        others[".format_version"] = Payload(f"{root}.format_version", b"0")
    first = [name for name in (".format_version", ".storage_alignment", "byteorder") if name in others]
    payloads += [others.pop(name) for name in first]
    payloads += [opened.storages[key] for key in used]
    payloads += others.values()
    with Progress("copy", sum(payload.length for payload in payloads), sys.stderr) as progress:
        write_zip(beside, payloads, _alignment(opened), progress)


def _alignment(opened: Opened) -> int:
    """The alignment of records that the file says it has; 64 bytes when it says none that makes sense."""
    payload = opened.others.get(".storage_alignment")
    if payload is None:
        return _ALIGNMENT
    raw = payload.data if payload.source is None else payload.source.read(payload.start, min(payload.length, 8))
    text = (raw or b"").strip()
    return int(text) if text.isdigit() and 0 < int(text) <= _MAX_ALIGNMENT else _ALIGNMENT


def expected_tensors(plan: RepairPlan) -> dict[tuple[str, str], Tensor]:
    """What the mended file must hold: (entry, new key) -> the tensor as it was."""
    expected: dict[tuple[str, str], Tensor] = {}
    depths = _depths(plan.checkpoint)
    for tensor in plan.checkpoint.tensors:
        keys = plan.keys.get(tensor.entry)
        if not tensor.persistent and plan.modules:
            continue
        if keys is None:
            expected[tensor.entry, tensor.key] = tensor
            continue
        old = _own_key(tensor, depths)
        new = keys.names.get(old, old)
        if new is not None:
            expected[tensor.entry, new + tensor.key[len(old) :]] = tensor
    return expected


def _verify(plan: RepairPlan, beside: str) -> None:
    """Read the new file and hold it against the plan."""
    with Source(beside) as source:
        written = read_source(source)
    found = {(tensor.entry, tensor.key): tensor for tensor in written.tensors}
    expected = expected_tensors(plan)
    same = found.keys() == expected.keys() and all(_same(found[key], expected[key]) for key in expected)
    errors = [problem.message for problem in written.problems if problem.severity == "error"]
    if not same or errors:
        detail = errors[0] if errors else "the keys are not those that were planned"
        raise BadCheckpoint(
            f"the mended copy of {plan.checkpoint.path} did not read back as planned ({detail}), so it was not kept: "
            "please report this as a bug of ckptlint"
        )


def _same(one: Tensor, other: Tensor) -> bool:
    if one[3:7] != other[3:7] or one.layout != other.layout or len(one.parts) != len(other.parts):
        return False
    if one.storage is None or other.storage is None:
        return one.storage is other.storage and all(map(_same, one.parts, other.parts))
    if one.storage.crc is not None and other.storage.crc is not None and one.storage.crc != other.storage.crc:
        return False
    return one.storage.length == other.storage.length and one.storage.nbytes == other.storage.nbytes
