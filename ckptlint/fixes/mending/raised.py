"""The fix of a failure that is only talked about: raise after the talk.

    else:                                                 else:
        print("no checkpoint at", args.resume)                print("no checkpoint at", args.resume)
                                                              raise FileNotFoundError(args.resume)

    except RuntimeError as error:                         except RuntimeError as error:
        print(error)                                          print(error)
                                                              raise

It is never safe: somebody may rely on the run going on.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.swallowed import Swallowed
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import span
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.statements import raising


def fix(project: Project, found: Swallowed) -> Fix | None:
    """The fix, None where the place cannot be found in the text."""
    file = project.derived(Sources)[found.site.file]
    if file is None:
        return None
    row = project.place(found.site).span.start.row
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ExceptHandler) and node.lineno == row:
            return _fix(file, node.body, "raise")
        if isinstance(node, ast.If):
            for block in (node.body, node.orelse):
                path = _path(file, node.test)
                if path is not None and block and block[0].lineno == row and not isinstance(block[0], ast.If):
                    return _fix(file, block, f"raise FileNotFoundError({path})")
    return None


def _fix(file: File, block: list[ast.stmt], statement: str) -> Fix | None:
    last = block[-1]
    edit = raising(file, span(file, last), statement, instead=isinstance(last, ast.Pass))
    return Fix(Applicability.UNSAFE, "let the failure end the run", (edit,)) if edit is not None else None


def _path(file: File, test: ast.expr) -> str | None:
    """The text of the path in `os.path.isfile(path)` or `path.exists()`, perhaps with `not` before it."""
    if isinstance(test, ast.UnaryOp):
        return _path(file, test.operand)
    if not isinstance(test, ast.Call) or not isinstance(test.func, ast.Attribute):
        return None
    node = test.args[0] if test.args else test.func.value
    offsets = file.offsets(span(file, node))
    return file.text[slice(*offsets)] if offsets is not None else None
