"""List what is in a checkpoint: entries, keys, shapes, dtypes, and what will go wrong with it.

Nothing of torch is imported, no pickled code is run, no tensor data is read (except with --crc). FILE may be a zip or
legacy torch.save file, TorchScript, safetensors, an index.json of shards, a folder of torch.distributed.checkpoint or
DeepSpeed, or a remote file (s3://, gs://, hf://, http://; needs `pip install ckptlint[remote]`).

Exit code 0, 1 when something in the file makes loading fail or load junk, 2 when it is no readable checkpoint.
"""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("file", metavar="FILE", help="a checkpoint file, folder or URL")
    parser.add_argument("--keys", action="store_true", help="print every key on a line of its own, nothing folded")
    parser.add_argument("--stats", action="store_true", help="print elements and bytes per prefix and dtype instead")
    parser.add_argument("--crc", action="store_true", help="read the whole file and check the checksum of every record")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the listing; the exit code."""
    # What a plain listing does not need is imported where it is needed: the whole command may take a tenth of a second.
    from ckptlint.checkpoint.machine import collector_paused  # noqa: PLC0415

    with collector_paused():
        return _inspect(args)


def _inspect(args: argparse.Namespace) -> int:
    from ckptlint.checkpoint.observe import observe  # noqa: PLC0415
    from ckptlint.checkpoint.read import open_checkpoint  # noqa: PLC0415

    checkpoint = open_checkpoint(args.file)
    problems = (*checkpoint.problems, *observe(checkpoint))
    if args.crc:
        from ckptlint.checkpoint.checksums import check_records  # noqa: PLC0415

        problems = (*problems, *check_records(checkpoint))
    if args.json:
        from ckptlint.checkpoint.as_json import checkpoint_as_json  # noqa: PLC0415

        sys.stdout.writelines(checkpoint_as_json(checkpoint, problems))
    else:
        from ckptlint.checkpoint.listing import listing, statistics  # noqa: PLC0415

        lines = statistics(checkpoint) if args.stats else listing(checkpoint, problems, every_key=args.keys)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if any(problem.severity == "error" for problem in problems) else 0
