"""A writer: the model is unwrapped before its state dict is taken.

    torch.save(model.state_dict(), path)
    torch.save((model.module if isinstance(model, nn.DataParallel) else model).state_dict(), path)

Nothing else of the expression is touched, so it may stand anywhere. A writer that takes the prefix off by itself, and
one whose wrapper is kept on purpose (AveragedModel), stay as they are.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import TOKENS, Content, Site
from ckptlint.findings import Edit
from ckptlint.fixes.mending.chains import KEPT, has_inner, marks_of_cases, target_chain
from ckptlint.fixes.mending.group import Places, places
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.reader import Declined
from ckptlint.fixes.shapes.unwrap import unwrapped


def contents_of(all_places: Places, origin: Site) -> list[Content]:
    """What becomes of the state dict that is taken at a place: everything saved, and everything loaded from memory."""
    saved = [content for _, _, content in all_places.saved.get(origin, ())]
    return saved + list(all_places.remembered.get(origin, ()))


def is_prefixed(all_places: Places, origin: Site) -> bool:
    """Whether keys from this place can have the prefix of a wrapper."""
    return any(content.prefix and not content.piece for content in contents_of(all_places, origin))


def is_kept(all_places: Places, origin: Site) -> bool:
    """Whether the keys are those of a wrapper that is saved on purpose, or of a model with a wrapped part.

    No prefix can be taken off such keys: AveragedModel brings a count as well, `features.module.` has it inside.
    """
    shapes = [content.shape for content in contents_of(all_places, origin) if content.shape is not None]
    return any(has_inner(shape) or any(mark.wrapper in KEPT for mark in shape.wrappers) for shape in shapes)


def bare(project: Project, origin: Site) -> tuple[Edit, ...] | Declined:
    """The edits after which the state dict taken at `origin` has no prefix."""
    contents = contents_of(project.derived(places), origin)
    for content in contents:
        assert content.shape is not None
        if content.prefix != content.shape.prefix or content.emptied:
            return Declined("its keys are changed afterwards")
    for content in project.derived(places).remembered.get(origin, ()):
        # Code that looks for a prefix may find it in such a name, where the wrapper's is no longer in front.
        if content.shape is not None and any(name in TOKENS for name, _ in content.shape.children):
            return Declined("a part of the model is called like the child of a wrapper")
    events = [event for event in project.events.state_dicts if event.site == origin]
    marks = marks_of_cases([case.shape for event in events for case in event.cases])
    if any(mark.wrapper in KEPT for case in marks for mark in case):
        return Declined("an averaged model has its own keys")
    file = project.derived(Sources)[origin.file]
    path = path_to(file, project.place(origin)) if file is not None else None
    if file is None or path is None:
        return Declined("the file cannot be read")
    call = path[-1]
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "state_dict":
        return Declined("the state dict is not taken by a plain call of state_dict()")
    if any(isinstance(node, ast.JoinedStr) for node in path):
        return Declined("it stands in an f-string")
    named = target_chain(project, file, path, marks)
    if named is None:
        return Declined("the class of the wrapper has no name in this file")
    within = file.offsets(span(file, call.func.value))
    assert within is not None
    model = file.text[slice(*within)]
    new = unwrapped(file, model, named.chain)
    if new is None:
        return Declined("the file cannot be read")
    return (file.replacement(*within, new.text), *new.edits, *named.edits)
