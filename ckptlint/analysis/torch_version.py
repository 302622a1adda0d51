"""Which default of `torch.load` holds: `weights_only=False` before torch 2.6, `weights_only=True` since.

The version is what the user says, or what the project requires; often it is not known, and either may hold.
"""

from __future__ import annotations

import re

#: The first version whose `torch.load` takes tensors and plain values only, unless it is told otherwise.
PLAIN_SINCE = (2, 6)


def is_plain_by_default(version: str | None) -> bool | None:
    """Whether `torch.load` of that version refuses objects by default; None where the version is not known."""
    found = re.match(r"(\d+)\.(\d+)", version or "")
    return None if found is None else (int(found.group(1)), int(found.group(2))) >= PLAIN_SINCE
