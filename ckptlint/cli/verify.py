"""Hold a checkpoint against a model, then really load it on a device and look at every tensor there.

  ckptlint verify runs/best.pth --model nets.resnet:resnet18 --arg num_classes=10 --device cuda
  ckptlint verify              all files of [[tool.ckptlint.checkpoints]] in pyproject.toml, for CI
  torchrun --nproc-per-node 4 -m ckptlint verify runs/step_1000 --model nets:gpt --device cuda

The factory is your own code, and it is run: it is imported and called, as your training script would. The checkpoint is
a stranger's file, and nothing in it is ever run: tensors are read as bytes, or by torch with weights_only=True.

Before anything is loaded the keys, shapes and dtypes are compared, torch's own answer to them is shown, and the
smallest mend with the command and the code that apply it. Then the tensors go to the device, and there: all finite,
load_state_dict accepted, equal to the file, how much of the model was restored.

Exit code 0 when it loads, 1 when it does not, or restores nothing, or holds NaN, 2 when that cannot be found out.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ckptlint.cli.torch_needed import torch_needed
from ckptlint.failure import Failure

if TYPE_CHECKING:
    from ckptlint.runtime.verify import Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="a checkpoint [default: those of the configuration]")
    parser.add_argument("--model", metavar="MODULE:FACTORY", help="what builds the model; it is imported and called")
    parser.add_argument(
        "--arg", metavar="NAME=VALUE", action="append", default=[], help="an argument for the factory (repeatable)"
    )
    parser.add_argument("--entry", metavar="NAME", help="the state dict in the file [default: the one that fits best]")
    parser.add_argument("--device", metavar="DEVICE", help="cpu, cuda or cuda:N [default: cpu]")
    parser.add_argument(
        "--strict", action=argparse.BooleanOptionalAction, default=True, help="what load_state_dict is given"
    )
    parser.add_argument(
        "--forward", metavar="N,C,H,W", help="run the model once on numbers of this shape (1,128:int64 for token ids)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, or a list of them")


def run(args: argparse.Namespace) -> int:
    """Verify; the exit code."""
    with torch_needed("verify"):
        from ckptlint.runtime.processes import Processes  # noqa: PLC0415
        from ckptlint.runtime.result import Verification, as_json  # noqa: PLC0415
        from ckptlint.runtime.text import verification_lines  # noqa: PLC0415
        from ckptlint.runtime.verify import verify  # noqa: PLC0415
    requests = [_request(args)] if args.file is not None else _configured(args)
    processes = Processes(requests[0].device)
    found: list[Verification] = []
    for number, request in enumerate(requests):
        found.append(processes.together(verify(request, processes)))
        if processes.rank == 0 and not args.json:
            print(*([""] if number else []), *verification_lines(found[-1]), sep="\n")
    if processes.rank == 0 and args.json:
        print(as_json(tuple(found)))
    processes.leave()
    return 1 if any(one.failed for one in found) else 0


def _request(args: argparse.Namespace) -> Request:
    from ckptlint.runtime.factory import Factory, parse_args  # noqa: PLC0415
    from ckptlint.runtime.forward import Input  # noqa: PLC0415
    from ckptlint.runtime.verify import Request  # noqa: PLC0415

    if args.model is None:
        raise Failure("say which model the file is for: --model package.module:factory")
    return Request(
        args.file,
        Factory(args.model, parse_args(args.arg), os.getcwd()),
        args.entry,
        args.device or "cpu",
        args.strict,
        Input(args.forward) if args.forward is not None else None,
    )


def _configured(args: argparse.Namespace) -> list[Request]:
    """The checkpoints of the nearest configuration; a flag on the command line wins."""
    from ckptlint.config import Configs  # noqa: PLC0415
    from ckptlint.runtime.factory import Factory, parse_args  # noqa: PLC0415
    from ckptlint.runtime.forward import Input  # noqa: PLC0415
    from ckptlint.runtime.verify import Request  # noqa: PLC0415

    config = Configs().of(os.getcwd())
    listed = config.table.checkpoints
    if not listed:
        where = config.source or "no pyproject.toml above here has a [tool.ckptlint] table"
        raise Failure(f"name a file, or list checkpoints in [[tool.ckptlint.checkpoints]] ({where})")
    given = parse_args(args.arg)
    shapes = [args.forward or one.forward for one in listed]
    return [
        Request(
            os.path.relpath(os.path.join(config.directory, one.path)),
            Factory(args.model or one.model, {**one.args, **given}, config.directory),
            args.entry or one.entry,
            args.device or one.device,
            args.strict and one.strict,
            Input(shape) if shape else None,
        )
        for one, shape in zip(listed, shapes, strict=True)
    ]
