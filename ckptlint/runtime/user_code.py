"""Around every call into the user's own code: it runs as it would elsewhere, and what it says goes to standard error.

A module that parses its command line when it is imported must not see ours, one that prints must not spoil the JSON,
and one that calls `sys.exit(0)` must not end the run as if everything were fine.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def user_code() -> Iterator[None]:
    """Standard output and the arguments are put aside; `sys.exit` becomes a RuntimeError."""
    arguments = sys.argv
    sys.argv = arguments[:1]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except SystemExit as exit_:
        raise RuntimeError(
            f"the code calls sys.exit({exit_.code!r}): what is to run as a script alone belongs under "
            'if __name__ == "__main__"'
        ) from None
    finally:
        sys.argv = arguments
