"""Which wrappers a model may have at a place, from all that the run saw there.

    bare, DataParallel                  one wrapper, perhaps there: DataParallel
    DataParallel, DataParallel          one wrapper, always there
    compile(DDP), DDP, bare             two wrappers, perhaps there, in this order
    compile(DDP), DDP(compile)          any order

A wrapper that is put on in some branch counts as perhaps there, outside of that branch, whatever the run made of the
condition: the guarded form is right either way.

The file must be able to name the class of a wrapper that is only perhaps there: torch's own can be imported, of others
only what the file has in scope already.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

import msgspec

from ckptlint.analysis import classes
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import ClassValue, External, Shape, Site, WrapperMark
from ckptlint.findings import Edit
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import conditions, path_to
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import DATA_PARALLEL, DISTRIBUTED_DATA_PARALLEL, Wanted, reference
from ckptlint.fixes.shapes.unwrap import Chain, Wrapper

#: What each kind of wrapper is an instance of.
_TORCH = {
    "torch.nn.DataParallel": DATA_PARALLEL,
    "torch.nn.parallel.DataParallel": DATA_PARALLEL,
    "torch.nn.parallel.data_parallel.DataParallel": DATA_PARALLEL,
    "torch.nn.parallel.DistributedDataParallel": DISTRIBUTED_DATA_PARALLEL,
    "torch.nn.parallel.distributed.DistributedDataParallel": DISTRIBUTED_DATA_PARALLEL,
    "torch.nn.DistributedDataParallel": DISTRIBUTED_DATA_PARALLEL,
    "accelerate's DistributedDataParallel": DISTRIBUTED_DATA_PARALLEL,
}

#: Wrappers that are saved with their own keys on purpose.
KEPT = frozenset({"AveragedModel"})

Marks = tuple[WrapperMark, ...]


class Named(msgspec.Struct, frozen=True):
    """A chain whose classes the file can name, and the imports that this needs."""

    chain: Chain
    edits: tuple[Edit, ...] = ()


def marks_of(shape: Shape) -> Marks:
    """The wrappers around a module that give its keys a prefix."""
    return tuple(mark for mark in shape.wrappers if mark.token)


def marks_of_cases(shapes: Sequence[Shape | None]) -> list[Marks]:
    """The wrappers in each case. Of a module that is not known those that were seen to be put on are: `DDP(net)`."""
    return [marks_of(shape) if shape is not None else () for shape in shapes]


def has_inner(shape: Shape, depth: int = 0) -> bool:
    """Whether some part of the module is wrapped by itself."""
    return depth < 8 and any(marks_of(child) or has_inner(child, depth + 1) for _, child in shape.children)


def keys_chain(prefixes: Iterable[str]) -> Chain:
    """The chain whose prefixes the keys of a file may have."""
    return _chain([tuple(prefix.split(".")[:-1]) for prefix in prefixes])


def target_chain(project: Project, file: File, path: list[ast.AST], cases: Sequence[Marks]) -> Named | None:
    """The chain of a model that has these wrappers, case by case, at the end of `path` in `file`.

    None when a class cannot be named in the file.
    """
    tokens = [tuple(mark.token for mark in case) for case in cases]
    unsure = {mark for case in cases for mark in case if not _is_everywhere(project, mark, path)}
    tokens += [tuple(mark.token for mark in case if mark not in unsure) for case in cases]
    chain = _chain(tokens)
    wrappers: list[Wrapper] = []
    edits: list[Edit] = []
    for wrapper in chain.wrappers:
        if wrapper.attribute != "module" or (wrapper.always and not chain.any_order):
            wrappers.append(wrapper)
            continue
        marks = {mark for case in cases for mark in case if mark.token == "module"}
        names: set[str] = set()
        for mark in sorted(marks):
            found = _class_of(project, file, mark)
            if found is None:
                return None
            names.add(found[0])
            edits += found[1]
        wrappers.append(Wrapper(wrapper.attribute, wrapper.always, tuple(sorted(names))))
    return Named(Chain(tuple(wrappers), chain.any_order), tuple(dict.fromkeys(edits)))


def _is_everywhere(project: Project, mark: WrapperMark, path: list[ast.AST]) -> bool:
    """Whether a wrapper is put on under no other condition than those around the end of `path`."""
    if mark.site is None:
        return False
    file = project.derived(Sources)[mark.site.file]
    wrap = path_to(file, project.place(mark.site)) if file is not None else None
    return wrap is not None and set(conditions(wrap)) <= set(conditions(path))


def _chain(cases: Sequence[tuple[str, ...]]) -> Chain:
    distinct = set(cases)
    longest = max(distinct, key=lambda case: (len(case), case), default=())
    if len(distinct) == 1:
        return Chain(tuple(Wrapper(token, always=True) for token in longest))
    if len(set(longest)) == len(longest) and all(_is_part(case, longest) for case in distinct):
        always = {token for token in longest if all(token in case for case in distinct)}
        return Chain(tuple(Wrapper(token, always=token in always) for token in longest))
    tokens = sorted({token for case in distinct for token in case})
    return Chain(tuple(Wrapper(token) for token in tokens), any_order=True)


def _is_part(short: Sequence[str], long: Sequence[str]) -> bool:
    """Whether `short` is `long` with some pieces left out."""
    left = iter(long)
    return all(token in left for token in short)


def _class_of(project: Project, file: File, mark: WrapperMark) -> tuple[str, tuple[Edit, ...]] | None:
    """An expression for the class of a wrapper, and the import that it needs."""
    dotted = project.derived(_classes)
    names = dotted.get(mark.site, ()) if mark.site is not None else ()
    for name in names:
        wanted = _TORCH.get(name)
        if wanted is not None:
            found = reference(file, wanted)
            return found.expression, found.edits
    for name in names:
        module, _, last = name.rpartition(".")
        found = reference(file, Wanted(module, last, (name,)))
        if not found.edits:
            return found.expression, ()
    return None


def _classes(project: Project) -> dict[Site, tuple[str, ...]]:
    """Where a module is wrapped: the class of the wrapper and its bases outside the project, by their dotted names."""
    found: dict[Site, dict[str, None]] = {}
    machine = project.machine
    for info in machine.objects.values():
        if info.wrapper is None or info.site is None:
            continue
        names = found.setdefault(info.site, {})
        if isinstance(info.cls, External):
            names[info.cls.name] = None
        elif isinstance(info.cls, ClassValue):
            names.update(dict.fromkeys(classes.external_bases(machine, info.cls)))
    return {site: tuple(names) for site, names in found.items()}
