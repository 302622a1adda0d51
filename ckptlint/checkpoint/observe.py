"""What a reader of the listing should be told: prefixes, criterion keys, tensors without data, devices, waste.

These are judgements over the values of `model`, the same for every format. What is wrong with the bytes themselves is
found by the readers.
"""

from __future__ import annotations

import re

from ckptlint.checkpoint.model import Checkpoint, Problem, Tensor

# The attribute that a wrapper keeps the model in -> what the wrapper is.
WRAPPER_PREFIXES: dict[str, str] = {
    "module": "nn.DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "activation checkpointing",
}

_CRITERION = re.compile(r"(?:^|\.)(criterion|criteria|loss|losses|loss_fn|loss_func|[a-z0-9_]+_loss)(?:\.|$)")


def observe(checkpoint: Checkpoint) -> tuple[Problem, ...]:
    """Everything there is to say about a checkpoint beside what its reader said."""
    problems: list[Problem] = []
    for name, tensors in checkpoint.state_dicts().items():
        problems.extend(_prefixes(name, list(tensors)))
        problems.extend(_criterion(name, list(tensors)))
        problems.extend(_parameters(name, list(tensors.values()), checkpoint))
    problems.extend(_without_data(checkpoint))
    problems.extend(_devices(checkpoint))
    problems.extend(_waste(checkpoint))
    if checkpoint.byteorder == "big":
        problems.append(Problem("note", "big-endian", "it was written on a big-endian machine; torch swaps the bytes"))
    return tuple(problems)


def wrapper_prefix(key: str) -> str:
    """The prefix that wrappers put in front of a key: `module._orig_mod.` of `module._orig_mod.conv.weight`."""
    end = 0
    while True:
        dot = key.find(".", end)
        if dot < 0 or key[end:dot] not in WRAPPER_PREFIXES:
            return key[:end]
        end = dot + 1


def _of(name: str) -> str:
    return f" of {name}" if name else ""


def _prefixes(name: str, keys: list[str]) -> list[Problem]:
    """A wrapper's prefix in front of all keys, of some, or inside them."""
    problems: list[Problem] = []
    counts: dict[str, int] = {}
    for key in keys:
        prefix = wrapper_prefix(key)
        counts[prefix] = counts.get(prefix, 0) + 1
    bare = counts.pop("", 0)
    # Of all wrappers only AveragedModel adds a key of its own.
    averaged = bare == 1 and "n_averaged" in keys
    for prefix, count in counts.items():
        made_by = " around ".join(WRAPPER_PREFIXES[part] for part in prefix.rstrip(".").split("."))
        first = next(key for key in keys if wrapper_prefix(key) == prefix)
        if averaged:
            text = (
                f"it is the state dict of an AveragedModel: n_averaged, and {count:,} keys that start with {prefix!r}"
            )
            problems.append(Problem("note", "averaged-model", text))
        elif count == len(keys):
            text = (
                f"all {count:,} keys{_of(name)} start with {prefix!r} (saved from {made_by}); a bare model fails: "
                f'Unexpected key(s) in state_dict: "{first}"; `ckptlint repair --strip-prefix {prefix}` mends it'
            )
            problems.append(Problem("warning", "wrapper-prefix", text))
        else:
            text = (
                f"{count:,} of {len(keys):,} keys{_of(name)} start with {prefix!r} ({made_by}) and the others do not, "
                f"for example {first!r}: no model has both, look at how it was saved"
            )
            problems.append(Problem("warning", "mixed-prefix", text))
    inner: dict[str, list[str]] = {}
    for key in keys:
        if "_orig_mod." not in key and "_wrapped_module." not in key:
            continue
        rest = key[len(wrapper_prefix(key)) :].split(".")[:-1]
        for part in rest:
            if part in WRAPPER_PREFIXES and part != "module":
                inner.setdefault(part, []).append(key)
                break
    for part, found in inner.items():
        text = (
            f"{len(found):,} keys{_of(name)} have {part + '.'!r} inside ({WRAPPER_PREFIXES[part]} of a submodule), "
            f"for example {found[0]!r}: a model without it refuses them"
        )
        problems.append(Problem("warning", "inner-prefix", text))
    return problems


def _criterion(name: str, keys: list[str]) -> list[Problem]:
    found = [key for key in keys if _CRITERION.search(key)]
    if not found or len(found) == len(keys):
        return []
    text = (
        f"{len(found):,} keys{_of(name)} look like a loss that was registered in the model ({found[0]!r}): "
        "a model built without it refuses them"
    )
    return [Problem("warning", "criterion-key", text)]


def _parameters(name: str, tensors: list[Tensor], checkpoint: Checkpoint) -> list[Problem]:
    """Parameters in a plain state dict: `dict(model.named_parameters())` leaves the buffers out."""
    kinds = {entry.name: entry.kind for entry in checkpoint.entries}
    if kinds.get(name) != "state dict" or not tensors or not all(tensor.parameter for tensor in tensors):
        return []
    return [
        Problem(
            "note",
            "parameters-only",
            f"all {len(tensors):,} values{_of(name)} are Parameters, so it was probably saved from named_parameters(): "
            "buffers (running means and variances) are not in it",
        )
    ]


def _without_data(checkpoint: Checkpoint) -> list[Problem]:
    meta = [tensor for tensor in checkpoint.tensors if tensor.layout == "meta"]
    if not meta:
        return []
    text = (
        f"{len(meta):,} tensors were saved without data (from the meta device), for example "
        f"{meta[0].key or meta[0].entry!r}: loading seems to work and leaves junk or meta tensors in the model"
    )
    return [Problem("error", "meta-tensor", text)]


def _devices(checkpoint: Checkpoint) -> list[Problem]:
    devices = sorted({tensor.device for tensor in checkpoint.tensors} - {"cpu", "meta"})
    if not devices:
        return []
    text = (
        f"tensors were saved from {', '.join(devices[:8])}: torch.load puts them back there, and fails where that "
        'device is missing, unless it is given map_location="cpu"'
    )
    return [Problem("note", "devices", text)]


def _waste(checkpoint: Checkpoint) -> list[Problem]:
    """Small views keep their whole storage in the file."""
    used: dict[tuple[str, str], int] = {}
    sizes: dict[tuple[str, str], int] = {}
    for tensor in checkpoint.tensors:
        if tensor.storage is not None:
            at = (tensor.storage.file, tensor.storage.key)
            used[at] = used.get(at, 0) + tensor.nbytes
            sizes[at] = tensor.storage.nbytes
    wasted = sum(max(0, sizes[at] - used[at]) for at in sizes)
    total = sum(sizes.values())
    if wasted < 1_000_000 or wasted * 10 < total:
        return []
    text = (
        f"{wasted:,} of {total:,} bytes belong to no tensor: small views were saved with the whole storage behind "
        "them; clone() them before saving"
    )
    return [Problem("note", "oversized-storage", text)]
