"""Watching torch while a script runs: what is saved, what is loaded, where, and whether values really arrived.

`torch.save`, `torch.load`, `Module.state_dict` and `Module.load_state_dict` are replaced for the time of the watch by
functions that call the real ones and take notes. Every tensor that a state dict gives out is remembered with its key
and the place of the call, so that it is known again in the file, whatever was done to the dict in between.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.loss import _Loss
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from .records import Load, Outcome, Save, SavedKey, Site
from .shims import HoldsModule

# A tensor that a state dict gave out, its key there, the module, and the place of the call.
_Origin = tuple[torch.Tensor, str, nn.Module, Site | None]
_LISTED = re.compile(r'(Missing|Unexpected) key\(s\) in state_dict: ((?:"[^"]*"(?:, )?)+)')


def wrapper_kind(module: nn.Module, child: str) -> str | None:
    """The kind of wrapper that `module` is, when `child` is the name that it holds its argument under."""
    if child == "_orig_mod" and type(module).__name__ == "OptimizedModule":
        return "compile"
    if child != "module":
        return None
    kinds = ((DataParallel, "dp"), (DistributedDataParallel, "ddp"), (AveragedModel, "averaged"), (HoldsModule, "ddp"))
    return next((kind for cls, kind in kinds if isinstance(module, cls)), None)


def explain_key(root: nn.Module, key: str) -> tuple[str, tuple[tuple[str, str], ...], bool]:
    """A key of `root.state_dict()`: the key without wrappers, the (segment, kind) of each wrapper, and "is a loss"."""
    module: nn.Module | None = root
    bare, wrappers = [], []
    for segment in (segments := key.split("."))[:-1]:
        kind = wrapper_kind(module, segment) if module is not None else None
        if kind:
            wrappers.append((segment, kind))
        else:
            bare.append(segment)
        module = module._modules.get(segment) if module is not None else None
    is_loss = isinstance(module, _Loss) and segments[-1] in module._buffers
    return ".".join([*bare, segments[-1]]), tuple(wrappers), is_loss


class Recorder:
    """Takes notes about one script. Use as a context manager; then read `outcome`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._depth = 0
        self._origin: dict[int, _Origin] = {}
        self._latest: dict[str, _Origin] = {}
        self._file_values: set[bytes] | None = None
        self._file_tensors: dict[int, torch.Tensor] = {}
        self.saves: list[Save] = []
        self.loads: list[Load] = []
        self.load_errors: list[BaseException] = []
        self._undo: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Recorder:
        self._replace(nn.Module, "state_dict", self._state_dict)
        self._replace(nn.Module, "load_state_dict", self._load_state_dict)
        self._replace(torch, "save", self._save)
        self._replace(torch, "load", self._load)
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, original in reversed(self._undo):
            setattr(owner, name, original)
        self._origin.clear()
        self._latest.clear()
        self._file_tensors.clear()

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        self._undo.append((owner, name, original))
        setattr(owner, name, make(original))

    # --- the four replacements

    def _state_dict(self, original: Any) -> Any:
        def state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return original(module, *args, **kwargs)
            self._depth += 1
            try:
                found = original(module, *args, **kwargs)
            finally:
                self._depth -= 1
            site = self._caller()
            for key, tensor in found.items():
                self._origin[id(tensor)] = self._latest[key] = (tensor, key, module, site)
            return found

        return state_dict

    def _save(self, original: Any) -> Any:
        def save(obj: Any = None, f: Any = None, *args: Any, **kwargs: Any) -> None:
            original(obj, f, *args, **kwargs)
            keys = tuple(self._saved_key(name, tensor) for name, tensor in _tensors(obj))
            self.saves.append(Save(str(f), self._caller(), keys))

        return save

    def _load(self, original: Any) -> Any:
        def load(*args: Any, **kwargs: Any) -> Any:
            found = original(*args, **kwargs)
            self._file_values = self._file_values or set()
            for _, tensor in _tensors(found):
                self._file_values.add(_bytes(tensor))
                self._file_tensors[id(tensor)] = tensor
            return found

        return load

    def _load_state_dict(self, original: Any) -> Any:
        def load_state_dict(module: nn.Module, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return original(module, state_dict, *args, **kwargs)
            known = self._file_values if self._is_from_file(module, state_dict) else None
            values = known if known is not None else {_bytes(tensor) for _, tensor in _tensors(state_dict)}
            fresh = {name for name, p in module.named_parameters() if _bytes(p) not in values}
            site, raised = self._caller(), ""
            missing: tuple[str, ...] = ()
            unexpected: tuple[str, ...] = ()
            self._depth += 1
            try:
                result = original(module, state_dict, *args, **kwargs)
                missing, unexpected = tuple(result.missing_keys), tuple(result.unexpected_keys)
            except Exception as error:
                self.load_errors.append(error)
                raised = f"{type(error).__name__}: {error}"
                listed = dict(_LISTED.findall(raised))
                missing = tuple(re.findall(r'"([^"]*)"', listed.get("Missing", "")))
                unexpected = tuple(re.findall(r'"([^"]*)"', listed.get("Unexpected", "")))
                raise
            finally:
                self._depth -= 1
                restored = sum(_bytes(p) in values for name, p in module.named_parameters() if name in fresh)
                self.loads.append(Load(site, raised, missing, unexpected, restored, len(fresh), known is not None))
            return result

        return load_state_dict

    def _is_from_file(self, module: nn.Module, state_dict: Any) -> bool:
        """Some tensor comes from a file, or (a merge that took nothing over) is the model's own; a state dict that was
        kept in memory or that is another model's is neither. Empty tensors all lie at the address 0."""
        own = {parameter.data_ptr() for parameter in module.parameters() if parameter.numel()}
        known = (
            id(tensor) in self._file_tensors or (id(tensor) in self._origin and tensor.data_ptr() in own)
            for _, tensor in _tensors(state_dict)
        )
        return self._file_values is not None and any(known)

    # --- places and keys

    def _caller(self) -> Site | None:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.startswith(self._root):
                return self._site(frame.f_code, frame.f_lasti, frame.f_lineno)
            frame = frame.f_back
        return None

    def _site(self, code: CodeType, instruction: int, line: int) -> Site:
        row, end = line, line
        if hasattr(code, "co_positions"):
            place = next(itertools.islice(code.co_positions(), instruction // 2, None), (None, None))
            row, end = place[0] or line, place[1] or line
        return Site(code.co_filename[len(self._root) :], row, end)

    def site_of(self, trace: TracebackType | None) -> Site | None:
        """The innermost project line of a traceback."""
        found = None
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename.startswith(self._root):
                found = self._site(code, trace.tb_lasti, trace.tb_lineno)
            trace = trace.tb_next
        return found

    def _saved_key(self, name: str, tensor: torch.Tensor) -> SavedKey:
        known = self._origin.get(id(tensor)) or self._copied(name, tensor)
        if known is None:
            return SavedKey(name, name, None, (), False)
        _, key, module, site = known
        bare, wrappers, loss = explain_key(module, key)
        if name == bare:
            wrappers = ()
        elif not name.endswith(key):
            wrappers = tuple(one for one in wrappers if one[0] in name.split("."))
        return SavedKey(name, bare, site, tuple(kind for _, kind in wrappers), loss)

    def _copied(self, name: str, tensor: torch.Tensor) -> _Origin | None:
        """What a tensor is a copy of: of equal value, with the same key, or one that differs in wrappers' segments."""
        value, bare = _bytes(tensor), _without_tokens(name)
        alike = [name, *(key for key in self._latest if key != name and _without_tokens(key) == bare)]
        found = (self._latest[key] for key in alike if key in self._latest)
        return next((one for one in found if _bytes(one[0]) == value), None)

    def outcome(self) -> Outcome:
        return Outcome(tuple(self.saves), tuple(self.loads), None)


def _tensors(value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in dicts, lists and tuples, with the key of its innermost dict."""
    items: Any = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, (list, tuple)):
        items = ((None, inner) for inner in value)
    for key, inner in items:
        if isinstance(inner, torch.Tensor) and isinstance(key, str):
            yield key, inner
        elif not isinstance(inner, torch.Tensor):
            yield from _tensors(inner)


def _without_tokens(key: str) -> list[str]:
    return [segment for segment in key.split(".") if segment not in ("module", "_orig_mod")]


def _bytes(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.detach().numpy().tobytes())
