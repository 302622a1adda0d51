"""How a file can name something of a library, with an import where none is there.

    import torch.nn as nn                     `nn.DataParallel`; nothing to add
    import torch                              `torch.nn.DataParallel`; nothing to add
    from torch.nn import DataParallel as DP   `DP`; nothing to add
    (none of these)                           `DataParallel`, and add `from torch.nn.parallel import DataParallel`

Only imports at module level count, and only names that nothing else in the file binds: a function with a parameter `nn`
would see another thing. Imports inside `if` and `try` may not have run, so they do not count either.
"""

from __future__ import annotations

import msgspec

from ckptlint.findings import Edit
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.names import fresh
from ckptlint.fixes.shapes.top_level import at_top_level


class Wanted(msgspec.Struct, frozen=True):
    """A thing of a library: `name` of `module`, or the module itself where `name` is "".

    `reach` are dotted names that mean it too, as soon as their first part is imported.
    """

    module: str
    name: str = ""
    reach: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        """The full name."""
        return f"{self.module}.{self.name}" if self.name else self.module


DATA_PARALLEL = Wanted("torch.nn.parallel", "DataParallel", ("torch.nn.DataParallel", "torch.nn.parallel.DataParallel"))
DISTRIBUTED_DATA_PARALLEL = Wanted(
    "torch.nn.parallel", "DistributedDataParallel", ("torch.nn.parallel.DistributedDataParallel",)
)
CONSUME_PREFIX = Wanted("torch.nn.modules.utils", "consume_prefix_in_state_dict_if_present")
COPY = Wanted("copy")
WARNINGS = Wanted("warnings")
TORCH = Wanted("torch")


class Reference(msgspec.Struct, frozen=True):
    """The `expression` to write, and the `edits` that make it mean the thing."""

    expression: str
    edits: tuple[Edit, ...] = ()


def reference(file: File, wanted: Wanted) -> Reference:
    """How to name `wanted` in the file."""
    meant = {wanted.dotted, *wanted.reach}
    ways = [name for name, target in file.sure.items() if target in meant]
    ways += [
        name + dotted[len(target) :]
        for dotted in wanted.reach
        for name, target in file.sure.items()
        if dotted.startswith(f"{target}.")
    ]
    if ways:
        return Reference(min(ways, key=lambda way: (way.count("."), way)))
    usual = wanted.name or wanted.module
    # An import of the same thing in a function takes the name for what it shall mean anyway.
    is_free = usual in file.targets and file.targets[usual] <= meant
    name = usual if is_free else fresh(usual, file.names)
    alias = "" if name == usual else f" as {name}"
    line = f"from {wanted.module} import {usual}{alias}\n" if wanted.name else f"import {usual}{alias}\n"
    return Reference(name, (at_top_level(file, line),))
