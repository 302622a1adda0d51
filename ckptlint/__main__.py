"""The entry of the program: `ckptlint ...` and `python -m ckptlint ...`.

`ckptlint --version` is what editors and hooks ask first and often, so it is answered here, before anything else is
imported. Everything else goes to the command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ckptlint import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the arguments of the process) and give its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"], ["version"]):
        print(f"ckptlint {__version__}")
        return 0
    from ckptlint.cli.dispatch import run  # noqa: PLC0415 - imported late: see the docstring

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
