"""Remove the cache of the project here, or of the projects that the given paths belong to."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ckptlint.cache_folder import remove
from ckptlint.cli.settings import cache_folder
from ckptlint.config import Configs
from ckptlint.discovery import find_root, real_path
from ckptlint.failure import Failure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    parser.add_argument("paths", nargs="*", metavar="PATHS", help="files or folders of the project [default: .]")
    parser.add_argument("--cache-dir", metavar="DIR", help="where the cache lies, when it is not in the root")


def run(args: argparse.Namespace) -> int:
    """Remove what is there; say what was removed."""
    roots = sorted({find_root(real_path(path)) for path in args.paths or ["."]})
    folders = (
        [os.path.abspath(args.cache_dir)]
        if args.cache_dir
        else [cache_folder(root, Configs().of(root)) for root in roots]
    )
    for folder in folders:
        if not os.path.isdir(folder):
            continue
        try:
            if not remove(Path(folder)):
                raise Failure(f"{folder} holds no cache of ckptlint: nothing is removed")
        except OSError as error:
            raise Failure(f"{folder}: cannot be removed: {error.strerror or error}") from None
        print(f"Removed cache at: {folder}", file=sys.stderr)
    return 0
