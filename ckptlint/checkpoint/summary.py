"""A value in a few words, safe to print whatever the file holds, and without recursion however deep it is."""

from __future__ import annotations

from ckptlint.checkpoint.harmless import harmless
from ckptlint.checkpoint.inert import Blob, Call, Global, PersistentId
from ckptlint.checkpoint.rebuild import is_tensor_call, numpy_array

_MAX_TEXT = 60
_MAX_NAME = 500


def plain_name(step: object) -> str:
    """A key or an index as text: itself when it is harmless, escaped and shortened when it is not."""
    if type(step) is str:
        if step.isprintable() and len(step) <= _MAX_NAME:
            return step
        return harmless(step, _MAX_NAME)
    if step is None or isinstance(step, (bool, int, float)):
        return str(step)
    return summary_of(step)


def summary_of(value: object) -> str:
    """What a value is: `3`, `'resnet50'`, `dict of 4`, `argparse.Namespace object`, `numpy array f8 (3, 4)`."""
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, str):
        return "'" + harmless(value, _MAX_TEXT) + "'"
    if isinstance(value, (dict, list, tuple)):
        kind = "dict" if isinstance(value, dict) else type(value).__name__
        return f"empty {kind}" if not value else f"{kind} of {len(value):,}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, Blob):
        return f"{value.length:,} {'characters' if value.kind == 'str' else 'bytes'}"
    if isinstance(value, Global):
        return harmless(value.qualified, _MAX_NAME)
    if isinstance(value, PersistentId):
        return "storage"
    if type(value) is Call:
        return _summary_of_call(value)
    return type(value).__name__


def _summary_of_call(value: Call) -> str:
    if is_tensor_call(value):
        return "tensor"
    array = numpy_array(value)
    if array is not None:
        return f"numpy array {harmless(array[0], 20)} {array[1]}"
    func = value.func
    if isinstance(func, PersistentId) and isinstance(func.value, tuple) and len(func.value) > 1:
        func = func.value[1]
    name = harmless(func.qualified, _MAX_NAME) if isinstance(func, Global) else "unknown"
    if name in ("torch.device", "torch.Size", "pathlib.PosixPath", "builtins.set"):
        return name.rpartition(".")[2]
    return f"{name} object"
