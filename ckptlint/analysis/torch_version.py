"""Which default of `torch.load` holds: `weights_only=False` before torch 2.6, `weights_only=True` since.

The version is what the user says, or what the project requires; often it is not known, and either may hold. What a fix
writes must be there in the oldest version that the project says it runs on; where it says nothing, in today's.
"""

from __future__ import annotations

import re

#: The first version whose `torch.load` takes tensors and plain values only, unless it is told otherwise.
PLAIN_SINCE = (2, 6)
#: The first version whose `torch.load` has the argument `weights_only`.
WEIGHTS_ONLY_SINCE = (1, 13)
#: The first version with `torch.nn.modules.utils.consume_prefix_in_state_dict_if_present`.
CONSUME_PREFIX_SINCE = (1, 9)


def is_plain_by_default(version: str | None) -> bool | None:
    """Whether `torch.load` of that version refuses objects by default; None where the version is not known."""
    numbers = numbers_of(version)
    return None if numbers is None else numbers >= PLAIN_SINCE


def numbers_of(version: str | None) -> tuple[int, int] | None:
    """(2, 6) of "2.6.0+cu126"."""
    found = re.match(r"(\d+)\.(\d+)", version or "")
    return None if found is None else (int(found.group(1)), int(found.group(2)))


def has(oldest: str | None, since: tuple[int, int]) -> bool:
    """Whether what came with a version is there in all that the project runs on."""
    numbers = numbers_of(oldest)
    return numbers is None or numbers >= since
