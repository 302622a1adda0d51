"""What is said where a verb needs torch and there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ckptlint.failure import Failure


@contextlib.contextmanager
def torch_needed(verb: str) -> Iterator[None]:
    """Around the import of `ckptlint.runtime`: a missing torch becomes one line that says what to install."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        raise Failure(f"{verb} needs torch ({error}): pip install 'ckptlint[runtime]'") from None
