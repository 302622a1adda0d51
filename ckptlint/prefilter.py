"""Which files can matter by themselves, by their bytes alone.

Most files of a project neither make, wrap, save nor load a module's state, and are never parsed unless a file that does
imports from them. Searching bytes is a thousand times faster than parsing, so the test may err, but on one side only:
a file that is not marked can hold no finding unless another file's code runs into it.

    model = DataParallel(model)         marked: wraps
    loss = CrossEntropyLoss()           not marked: this loss has no state
    loss = CrossEntropyLoss(weight=w)   marked
    pattern = re.compile("x")           not marked

A marker is a text that has to be there and, where that text is too common, a pattern around it. Each has its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec


class Marker(msgspec.Struct, frozen=True):
    """`text` must occur in a file, and `pattern` too where there is one, for `reason`."""

    text: bytes
    reason: str
    pattern: re.Pattern[bytes] | None = None


MARKERS: tuple[Marker, ...] = (
    Marker(b"state_dict", "takes or gives a state dict, or hands one on by that name"),
    Marker(b"DataParallel", "wraps in DataParallel, DistributedDataParallel or FullyShardedDataParallel"),
    Marker(b"torch.save", "writes a file"),
    Marker(b"torch.load", "reads a file"),
    Marker(b"torch.compile", "wraps, adding _orig_mod."),
    Marker(
        b"from torch import",
        "save, load and compile by their bare names",
        re.compile(rb"from torch import(?:[^\n]*\b(?:save|load|compile)\b|[ \t]*[(\\])"),
    ),
    Marker(
        b"import torch as",
        "torch.save, torch.load and torch.compile under another name",
        re.compile(rb"import torch as (\w+)\b(?=[\s\S]*\b\1\.(?:save|load|compile)\b)"),
    ),
    Marker(b"_orig_mod", "knows the prefix of torch.compile"),
    Marker(b".module", "unwraps with .module", re.compile(rb"\.module\b(?!\s*=[^=])")),
    Marker(b'"module.', "adds or strips the prefix of DataParallel"),
    Marker(b"'module.", "adds or strips the prefix of DataParallel"),
    Marker(b"_checkpoint", "saves or loads by a helper's or a framework's function of that name"),
    Marker(b"Accelerator", "wraps with accelerate", re.compile(rb"\bprepare(?:_model)?\b")),
    Marker(b"Fabric", "wraps with Lightning Fabric", re.compile(rb"\bsetup(?:_module)?\b")),
    Marker(b"deepspeed", "wraps with DeepSpeed", re.compile(rb"\binitialize\b")),
    Marker(b"AveragedModel", "wraps in AveragedModel, which adds n_averaged and module."),
    Marker(b"safetensors", "saves or loads safetensors files", re.compile(rb"\b(?:save|load)(?:_file|_model)?\b")),
    Marker(
        b"Loss(",
        "makes a loss that has state: given a weight, perhaps as the first argument, or with parameters of its own",
        re.compile(
            rb"(?:CrossEntropy|NLL|BCE|BCEWithLogits|MultiMargin|MultiLabelSoftMargin"
            rb"|AdaptiveLogSoftmaxWith|LinearCrossEntropy)Loss\("
            rb"(?!\s*(?:\)|reduction\s*=\s*[\"']\w+[\"']\s*\)|ignore_index\s*=\s*[-\w.]+\s*\)))"
        ),
    ),
    Marker(b"NLLLoss2d", "the old name of NLLLoss"),
)


def marked(data: bytes, extra: Iterable[bytes] = ()) -> bool:
    """Whether a file with these bytes can matter by itself; `extra` are texts that the user's configuration adds."""
    return any_marker(data, MARKERS) or any(text in data for text in extra)


def marked_rows(data: bytes, extra: Iterable[bytes] = ()) -> tuple[int, ...]:
    """The rows, from 1, on which a marker begins; `data` must have "\\n" line ends. Empty where `marked` is False."""
    return rows_of(data, (*MARKERS, *(Marker(text, "added by the user") for text in extra)))


def any_marker(data: bytes, markers: Iterable[Marker]) -> bool:
    """Whether one of the markers stands in the bytes."""
    return any(
        marker.text in data and (marker.pattern is None or marker.pattern.search(data) is not None)
        for marker in markers
    )


def rows_of(data: bytes, markers: Iterable[Marker]) -> tuple[int, ...]:
    """The rows, from 1 and in order, on which one of the markers begins."""
    patterns = [marker.pattern or re.compile(re.escape(marker.text)) for marker in markers if marker.text in data]
    offsets = sorted({match.start() for pattern in patterns for match in pattern.finditer(data)})
    rows = []
    row, counted = 1, 0
    for offset in offsets:
        row += data.count(b"\n", counted, offset)
        counted = offset
        rows.append(row)
    return tuple(dict.fromkeys(rows))
