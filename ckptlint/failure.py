"""The one error that means: the run itself failed.

Raised by any layer, caught by the command: its text becomes one line on standard error and the exit code is 2. The text
says what went wrong, where, and what to do; a user never sees a traceback for something that is not a bug of ckptlint.
"""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it is the word of the exit code table
    """The run can't go on; `str(failure)` is one line for the user."""
