"""What is done with all that a file holds: what a bare state dict, a dict of entries and a whole module cannot all do.

    loaded = torch.load(path)
    loaded["model"]                 a dict of entries
    loaded.eval(), loaded(x)        a module
    net.load_state_dict(loaded)     a state dict

Each use is noted; `formats` holds them against what the writers put into the file.
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptlint.analysis import entries
from ckptlint.analysis.events import LoadedUseEvent, SourceCase
from ckptlint.analysis.guards import PREFIX_OF_FILE, Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.objects import ObjectInfo
from ckptlint.analysis.values import NONE, Const, Opaque, Ref, Site, Value, alternatives

#: What a module can do and a dict cannot.
OF_MODULES = frozenset(("buffers", "children", "cpu", "cuda", "eval", "float", "forward", "half", "load_state_dict"))
OF_MODULES |= {"modules", "named_children", "named_modules", "named_parameters", "parameters", "state_dict", "to"}
OF_MODULES |= {"train", "zero_grad"}

#: What is raised when the file is of another kind.
_RAISED = {
    "entry": ("KeyError", "TypeError"),
    "module": ("AttributeError", "TypeError"),
    "state dict": ("RuntimeError",),
}


def note_entry(machine: Machine, loaded: Ref, index: Value, site: Site) -> None:
    """`loaded[index]`, read where it has to be there."""
    info = machine.info(loaded)
    if info.path is None or not isinstance(index, Const) or not isinstance(index.value, str):
        return
    name = index.value
    if info.kind == "file" and not info.entry and not info.foreign:
        known = machine.get(loaded, name)
        if known is None or (isinstance(known, Ref) and machine.info(known).entry == (name,)):
            _note(machine, "entry", name, info.file or 0, site)
    elif info.kind == "dict" and not info.file and name not in info.names and _is_all_known(machine, loaded):
        _note(machine, "entry", name, 0, site, loaded)


def note_module(machine: Machine, loaded: Ref, method: str, site: Site) -> None:
    """`loaded.method()`, or `loaded()` where `method` is "__call__"."""
    info = machine.info(loaded)
    if info.kind == "file" and not info.entry and not info.foreign:
        _note(machine, "module", method, info.file or 0, site)


def note_state_dict(machine: Machine, given: Value, sources: Sequence[SourceCase], site: Site) -> None:
    """`net.load_state_dict(given)`, where all of a file is given."""
    before = machine.guard
    noted: set[tuple[int, Guard]] = set()
    for source in sources:
        content = source.content
        if content is None or content.file is None or content.entry or content.filtered:
            continue
        guard = frozenset(one for one in source.guard if not one.symbol.startswith(PREFIX_OF_FILE))
        machine.guard = both(before, guard) or before
        if (content.file, machine.guard) not in noted:
            noted.add((content.file, machine.guard))
            _note(machine, "state dict", "", content.file, site)
    for guard, plain in alternatives(given):
        if isinstance(plain, Ref) and machine.info(plain).kind == "dict" and machine.info(plain).path is not None:
            machine.guard = both(before, guard) or before
            names = machine.info(plain).names
            if names and not machine.info(plain).file and _is_all_known(machine, plain):
                _note(machine, "state dict", "", 0, site, plain)
    machine.guard = before


def is_of_kind(info: ObjectInfo, classes: Sequence[str]) -> Value | None:
    """`isinstance(loaded, classes)`: a question to the file, None where it is another one."""
    names = {name.rpartition(".")[2] for name in classes}
    if info.entry or info.file is None or not names:
        return None
    if names <= {"dict", "OrderedDict", "Mapping", "MutableMapping"}:
        return Opaque(f"file {info.file} is dict")
    return Opaque(f"file {info.file} is module") if all(name.endswith("Module") for name in names) else None


def has_attribute(info: ObjectInfo, name: str) -> Value | None:
    """`hasattr(loaded, name)`, for what tells a module from a dict."""
    if info.entry or info.file is None:
        return None
    if name in ("keys", "items", "values", "get", "update"):
        return Opaque(f"file {info.file} is dict")
    return Opaque(f"file {info.file} is module") if name in OF_MODULES else None


def _is_all_known(machine: Machine, loaded: Ref) -> bool:
    """Whether a dict has the entries that it was written with, and no other ones."""
    info = machine.info(loaded)
    if info.grown or machine.get(loaded, entries.BULK) not in (None, NONE):
        return False
    return not any(name.startswith(("*", "{")) for name in info.names)


def _note(machine: Machine, how: str, name: str, file: int, site: Site, held: Ref | None = None) -> None:
    handled = bool(machine.handling) or any(
        block.catches_any(exception) for block in machine.tries for exception in _RAISED[how]
    )
    path = machine.info(held).path if held is not None else None
    names = tuple(machine.info(held).names) if held is not None else ()
    machine.events.loaded_uses.append(
        LoadedUseEvent(site, how, name, file, machine.guard, handled, machine.run, path, names)
    )
