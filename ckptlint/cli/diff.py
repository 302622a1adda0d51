"""Compare two checkpoints: keys, shapes, dtypes, and which values differ. Any two formats.

Values of zip files are compared by their stored checksums, without reading a tensor; --read reads the others.

Exit code 0 no difference found, 1 they differ, 2 one of them is no readable checkpoint.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("old", metavar="A", help="a checkpoint file, folder or URL")
    parser.add_argument("new", metavar="B", help="another")
    parser.add_argument("--read", action="store_true", help="read and compare values where there are no checksums")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the differences; the exit code."""
    from ckptlint.checkpoint.compare import compare  # noqa: PLC0415 (see `inspect`)
    from ckptlint.checkpoint.diff_text import diff_as_json, diff_lines  # noqa: PLC0415
    from ckptlint.checkpoint.read import open_checkpoint  # noqa: PLC0415

    diff = compare(open_checkpoint(args.old), open_checkpoint(args.new), read=args.read)
    if args.json:
        print(diff_as_json(diff))
    else:
        for line in diff_lines(diff):
            print(line)
    return 1 if diff.differs else 0
