"""The fix of a cut that takes too much off a key: the prefix is taken off where it is a prefix, and nowhere else.

    k.lstrip("module.")        safe: nobody wants the letters of names to go
    k[len("module."):]         safe: a wrapper's prefix is on every key of a file or on none
    k[7:]  # remove `module.`  safe: the text beside it says what the 7 characters are
    k[7:]                      safe where the file is one that the project writes with `module.`; else unsafe: they may
                               be something else
    k[len("encoder."):]        unsafe: keys that were cut to nonsense, and ignored, would now meet a key of the model
    k.replace("module.", "")   unsafe: files with `features.module.` inside, or wrapped twice, are read well so far

Where the project itself writes files that are read well so far and would not be then, there is no fix; and none where a
model has a part of its own that is called like the prefix, whose names would be taken for it.

Where nothing says which Python the project is for, what is written runs on any: `removeprefix` came with 3.9.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.key_edits import KeyEdit
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Edit, Fix, Span
from ckptlint.fixes.mending.chains import has_inner
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.expression import primary
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.prefix import anchored

_OF_LENGTH = {7: "module.", 10: "_orig_mod."}
_WRAPPERS = ("module.", "_orig_mod.")
_PYTHON = (3, 0)


def fix(project: Project, cut: KeyEdit) -> Fix | None:
    """The fix of one cut, None where it is not known what is to be taken off."""
    file = project.derived(Sources)[cut.sites[0].file]
    prefix = cut.token or _OF_LENGTH.get(cut.length or 0)
    if file is None or (prefix is None and not cut.label) or (cut.token and not cut.token.endswith(".")):
        return None
    if cut.kind in ("replace", "strip") and _takes_more(project, cut):
        return None
    if prefix is not None and prefix.removesuffix(".") in project.machine.own_names:
        return None
    edits: list[Edit] = []
    for site in cut.sites:
        offsets = file.offsets(project.place(site).span)
        if offsets is None:
            return None
        content = anchored(file.text[slice(*offsets)], prefix or "", _python(project), file.quote)
        if content is None:
            return None
        path = path_to(file, project.place(site)) or [file.tree]
        if content.startswith("(") and len(path) > 1 and _stands_alone(*path[-2:]):
            content = content[1:-1]
        edits.append(_guard(file, path) or file.replacement(*offsets, content))
    statement = project.statement(cut.sites[0])
    applicability = Applicability.SAFE if _is_safe(project, cut, prefix, file, statement) else Applicability.UNSAFE
    shown = f'"{prefix}"' if prefix else f"`{cut.label}`"
    return Fix(applicability, f"take {shown} off only where the key begins with it", tuple(edits))


def _stands_alone(outer: ast.AST, inner: ast.AST) -> bool:
    """Whether nothing around an expression could bind to a part of it."""
    index = isinstance(outer, ast.Subscript) and outer.slice is inner
    return index or isinstance(outer, ast.Assign | ast.Dict | ast.DictComp | ast.Lambda)


def _guard(file: File, path: list[ast.AST]) -> Edit | None:
    """Where a test stands around the cut that looks for the prefix anywhere, the test is what has to change.

    `k[7:] if "module." in k else k` becomes `k[7:] if k.startswith("module.") else k`.
    """
    if len(path) < 2:
        return None
    choice, cut = path[-2:]
    if not isinstance(choice, ast.IfExp) or choice.body is not cut or not isinstance(cut, ast.Subscript):
        return None
    test, key = choice.test, ast.dump(cut.value)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.In):
        return None
    if ast.dump(test.comparators[0]) != key or ast.dump(choice.orelse) != key:
        return None
    whole, prefix = file.offsets(span(file, test)), file.offsets(span(file, test.left))
    asked = file.offsets(span(file, test.comparators[0]))
    if whole is None or prefix is None or asked is None:
        return None
    texts = file.text[slice(*asked)], file.text[slice(*prefix)]
    return file.replacement(*whole, f"{primary(texts[0])}.startswith({texts[1]})")


def _takes_more(project: Project, cut: KeyEdit) -> bool:
    """Whether a file of the project has a prefix of which the cut takes off more, or elsewhere, than the fix would."""
    token = cut.token or ""
    contents = [part.content for save in project.events.saves for part in save.parts]
    shapes = (content.shape for content in contents if content is not None and content.shape is not None)
    if cut.kind == "replace" and any(has_inner(shape) for shape in shapes):
        return True
    for prefix in project.derived(_prefixes):
        left = prefix.lstrip(token) if cut.kind == "strip" else prefix.replace(token, "", 1 if cut.once else -1)
        if token and left != prefix.removeprefix(token):
            return True
    return False


def _prefixes(project: Project) -> frozenset[str]:
    """The prefixes that keys have in the files of the project."""
    parts = (part for save in project.events.saves for part in save.parts)
    return frozenset(part.content.prefix for part in parts if part.content is not None)


def _is_safe(project: Project, cut: KeyEdit, prefix: str | None, file: File, statement: Span) -> bool:
    if cut.kind == "strip":
        return True
    if cut.kind != "slice" or prefix not in _WRAPPERS:
        return False
    if cut.named or _is_written(project, cut, prefix):
        return True
    around = file.rows[max(0, statement.start.row - 2) : statement.end.row]
    return any(prefix in row for row in around)


def _is_written(project: Project, cut: KeyEdit, prefix: str) -> bool:
    """Whether the load in this function is given files of the project, and all of them have the prefix."""
    here = {(site.file, site.unit) for site in cut.sites}
    written = [
        part.content.prefix
        for pair in project.pairs
        if pair.writer is not None and (pair.reader.site.file, pair.reader.site.unit) in here
        for part in pair.writer.parts
        if part.content is not None
    ]
    return bool(written) and all(one.startswith(prefix) for one in written)


def _python(project: Project) -> tuple[int, int]:
    """The oldest Python that the project is for: `py38` is (3, 8)."""
    told = project.settings.target_version
    digits = told.removeprefix("py") if told else ""
    return (int(digits[0]), int(digits[1:])) if len(digits) > 1 and digits.isdigit() else _PYTHON
