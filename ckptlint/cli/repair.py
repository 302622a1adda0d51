"""Write a mended copy of a checkpoint: strip prefixes, drop keys, rename keys. The original stays as it is.

  ckptlint repair ddp.pth -o bare.pth --strip-prefix module.
  ckptlint repair model.pth -o clean.pth --drop 'criterion.*' --rename head.fc=classifier --rename '*.gamma=*.weight'
  ckptlint repair model.pth -o model.safetensors --to safetensors
  ckptlint repair whole_model.pt -o state_dict.pth --state-dict
  ckptlint repair ddp.pth -o bare.pth --for nets.resnet:resnet18     the mend that `ckptlint verify` finds for a model

Every state dict of the file is mended, or the one that --entry names; `_metadata`, ties and everything else in the file
are kept. Tensors are copied byte by byte, never decoded; nothing of torch is needed. Legacy files come out as zip. The
copy is read again before it takes its name. With --for, torch is needed and your model's code is run (it is imported
and called); the checkpoint never is.

Exit code 0 written (or shown, with --dry-run), 2 when that cannot be done.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckptlint.checkpoint.key_edits import KeyEdits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("file", metavar="FILE", help="a checkpoint of torch.save or safetensors")
    parser.add_argument("-o", "--output", metavar="OUT", help="the file to write")
    parser.add_argument(
        "--strip-prefix",
        metavar="PREFIX",
        action="append",
        default=[],
        help="take PREFIX off the start of keys (module.)",
    )
    parser.add_argument("--add-prefix", metavar="PREFIX", default="", help="put PREFIX in front of every key")
    parser.add_argument(
        "--drop", metavar="PATTERN", action="append", default=[], help="leave out keys that match a shell pattern"
    )
    parser.add_argument(
        "--rename",
        metavar="OLD=NEW",
        action="append",
        default=[],
        help="rename the start of keys, whole parts only; with stars a pattern for the whole key",
    )
    parser.add_argument(
        "--for",
        dest="model",
        metavar="MODULE:FACTORY",
        help="take the mend that makes the file fit this model; MODULE is imported and FACTORY called",
    )
    parser.add_argument(
        "--arg", metavar="NAME=VALUE", action="append", default=[], help="an argument for the factory (repeatable)"
    )
    parser.add_argument("--entry", metavar="NAME", help="mend this state dict alone (model, state_dict, ...)")
    parser.add_argument(
        "--state-dict", action="store_true", help="replace a pickled module or TorchScript by its state dict"
    )
    parser.add_argument("--to", choices=["torch", "safetensors"], help="the format to write (default: torch's zip)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, write nothing")
    parser.add_argument("--force", action="store_true", help="replace OUT when it exists")


def run(args: argparse.Namespace) -> int:
    """Mend; the exit code."""
    from ckptlint.checkpoint.key_edits import KeyEdits, parse_rename  # noqa: PLC0415 (see `inspect`)
    from ckptlint.checkpoint.repair import plan_repair, write_repair  # noqa: PLC0415
    from ckptlint.failure import Failure  # noqa: PLC0415

    edits = KeyEdits(
        tuple(args.strip_prefix), args.add_prefix, tuple(args.drop), tuple(parse_rename(text) for text in args.rename)
    )
    if edits == KeyEdits() and args.to is None and not args.state_dict and args.model is None:
        raise Failure("say what to mend: --strip-prefix, --drop, --rename, --add-prefix, --state-dict, --for or --to")
    if args.output is None and not args.dry_run:
        raise Failure("say where to write the mended copy: -o OUT")
    entry, modules = args.entry, args.state_dict or args.to == "safetensors"
    if args.model is not None:
        if edits != KeyEdits():
            raise Failure("--for finds the edits itself: leave --strip-prefix, --drop, --rename and --add-prefix out")
        edits, entry, whole = _mend_for(args)
        modules = modules or whole
    plan = plan_repair(args.file, edits, entry, modules=modules)
    for line in plan.lines():
        print(line)
    if args.dry_run:
        return 0
    if args.to == "safetensors" or (args.to is None and plan.checkpoint.format == "safetensors"):
        from ckptlint.checkpoint.to_safetensors import write_safetensors  # noqa: PLC0415

        write_safetensors(plan, args.output, entry, force=args.force)
    else:
        write_repair(plan, args.output, force=args.force)
    print(f"wrote {args.output}")
    return 0


def _mend_for(args: argparse.Namespace) -> tuple[KeyEdits, str, bool]:
    """The edits that make the file fit the model, the entry that they are for, and whether it is a pickled module."""
    from ckptlint.cli.torch_needed import torch_needed  # noqa: PLC0415

    with torch_needed("repair --for"):
        from ckptlint.runtime.factory import Factory, parse_args  # noqa: PLC0415
        from ckptlint.runtime.mending import mend_for  # noqa: PLC0415
    found = mend_for(args.file, Factory(args.model, parse_args(args.arg), os.getcwd()), args.entry)
    for line in found.lines:
        print(line)
    return found.edits, found.entry, found.whole_module
