"""The entry of the program: `ckptlint ...` and `python -m ckptlint ...`.

`ckptlint --version` is what editors and hooks ask first and often, so it is answered here, before anything else is
imported. Everything else goes to the command.

Ctrl-C can come at any moment, so the process needs an end of its own, see `program`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ckptlint import __version__

_INTERRUPTED = 130  # what a shell reports for a program that died of SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the arguments of the process) and give its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"], ["version"]):
        print(f"ckptlint {__version__}")
        return 0
    from ckptlint.cli.dispatch import run  # noqa: PLC0415 - imported late: see the docstring

    return run(arguments)


def program() -> None:
    """Be the process: `main`, and an end without a traceback whenever Ctrl-C comes.

    An interrupted analysis is left behind at work in its thread. Python must not be taken down around it: a thread that
    comes back from native code to an interpreter that is gone is ended by unwinding its stack, which the parser's Rust
    answers with SIGABRT. So the process ends at once where another thread is at work.
    """
    try:
        code = main()
    except KeyboardInterrupt:  # while the command was still being imported
        print("ckptlint: interrupted", file=sys.stderr)
        code = _INTERRUPTED
    if "threading" in sys.modules:  # not after --version, which is spared the imports
        import signal  # noqa: PLC0415
        import threading  # noqa: PLC0415

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said
        if threading.active_count() > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
