"""The model: the user's own code, found by name and called.

    package.module:factory --arg num_classes=10      ->  factory(num_classes=10)

The name after the colon is anything that gives an `nn.Module` when it is called (a function, a class, a classmethod),
or a module that was built already. It is first built on the meta device, which costs neither memory nor time; where the
code needs real numbers while it builds (`.item()`, `torch.tensor(...).tolist()`), it is built on the CPU.
"""

from __future__ import annotations

import ast
import importlib
import sys
import traceback
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from ckptlint.failure import Failure
from ckptlint.runtime.user_code import user_code


class Built(NamedTuple):
    """A model, the device on which it was built, and why that is not the meta device ("" where it is)."""

    model: nn.Module
    device: str
    because: str


def parse_args(words: list[str]) -> dict[str, object]:
    """`k=v` words: literals of Python where they are that, else text.

    Raises Failure for a word without `=`.
    """
    args: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise Failure(f"--arg {word!r} is not of the form name=value")
        try:
            args[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            args[name] = text
    return args


class Factory(NamedTuple):
    """Where the model comes from: `name` is `package.module:factory`, `folder` is put in front of the import path."""

    name: str
    args: Mapping[str, object]
    folder: str

    def on_meta(self) -> Built:
        """Build it without data where its code allows that, else on the CPU.

        Raises Failure when it cannot be built at all.
        """
        found = self._find()
        if isinstance(found, nn.Module):
            return Built(found, "cpu", "the name stands for a module that is built already")
        try:
            with user_code(), torch.device("meta"):
                made = found(**self.args)  # type: ignore[operator]
        except Exception as error:  # whatever the user's code raises on meta, building it for real says what counts
            return Built(self.on("cpu"), "cpu", f"its code cannot run there: {_one_line(error)}")
        return Built(self._checked(made), "meta", "")

    def on(self, device: str) -> nn.Module:
        """Build it with real tensors on a device.

        Raises Failure when the user's code fails, after showing where.
        """
        found = self._find()
        if isinstance(found, nn.Module):
            return found.to(device)
        try:
            with user_code(), torch.device(device):
                made = found(**self.args)  # type: ignore[operator]
        except Exception as error:  # the user's code may raise anything
            _show(error)
            given = ", ".join(f"{name}={value!r}" for name, value in self.args.items())
            raise Failure(f"building the model failed: {self.name}({given}) raised {_one_line(error)}") from None
        return self._checked(made).to(device)

    def _checked(self, made: object) -> nn.Module:
        if not isinstance(made, nn.Module):
            raise Failure(f"{self.name} gives {type(made).__name__}, not an nn.Module: name what builds the model")
        return made

    def _find(self) -> object:
        module, colon, path = self.name.partition(":")
        if not colon or not module or not path:
            raise Failure(f"--model {self.name!r} is not of the form package.module:factory")
        if self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        try:
            with user_code():
                found: object = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and (module == error.name or module.startswith(f"{error.name}.")):
                raise Failure(
                    f"--model {self.name}: there is no module {error.name!r} (looked in {self.folder} and where "
                    f"{sys.executable} looks): run it where your training script runs"
                ) from None
            raise Failure(f"--model {self.name}: importing it failed: {error}") from None
        except Exception as error:  # the user's module may raise anything
            _show(error)
            raise Failure(f"--model {self.name}: importing {module} raised {_one_line(error)}") from None
        for name in path.split("."):
            if not hasattr(found, name):
                raise Failure(f"--model {self.name}: {module} has no {path!r}")
            found = getattr(found, name)
        if not callable(found):
            raise Failure(f"--model {self.name}: {path} is {type(found).__name__}, which cannot be called")
        return found


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _show(error: BaseException) -> None:
    """The part of the traceback that lies in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    sys.stderr.write("".join(traceback.format_list(theirs)))
    sys.stderr.write("".join(traceback.format_exception_only(error)))
