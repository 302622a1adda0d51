"""Key edits in the two forms in which people apply them: flags of `ckptlint repair`, and lines of Python.

    KeyEdits(strip=("module.",), drop=("criterion.*",))
    -> --strip-prefix module. --drop 'criterion.*'
    -> state = {k.removeprefix("module."): v for k, v in state.items()}
       state = {k: v for k, v in state.items() if not k.startswith("criterion.")}

The lines do what `KeyEdits.plan` does, in its order: strip, drop, rename, add.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from ckptlint.checkpoint.key_edits import KeyEdits, renaming
from ckptlint.checkpoint.model import Checkpoint


def repair_flags(edits: KeyEdits) -> str:
    """The flags of `ckptlint repair`, quoted for a shell."""
    words: list[str] = []
    for prefix in edits.strip:
        words += ["--strip-prefix", prefix]
    for pattern in edits.drop:
        words += ["--drop", pattern]
    for old, new in edits.rename:
        words += ["--rename", f"{old}={new}"]
    if edits.add:
        words += ["--add-prefix", edits.add]
    return shlex.join(words)


def load_line(checkpoint: Checkpoint, entry: str) -> str:
    """The line that reads the state dict: `state = torch.load("best.pth", map_location="cpu")["model"]`."""
    file = json.dumps(checkpoint.path, ensure_ascii=False)
    if checkpoint.format == "safetensors":
        return f"state = safetensors.torch.load_file({file})"
    path: tuple[object, ...] = next((found.path for found in checkpoint.entries if found.name == entry), ())
    return f'state = torch.load({file}, map_location="cpu")' + "".join(f"[{_literal(step)}]" for step in path)


def python_lines(edits: KeyEdits) -> Iterator[str]:
    """Lines that turn the dict `state` into the mended one; they need `import re` and `from fnmatch import fnmatch`
    where they say `re.` and `fnmatch(`."""
    if edits.strip:
        expression = "k" + "".join(f".removeprefix({_literal(prefix)})" for prefix in edits.strip)
        yield f"state = {{{expression}: v for k, v in state.items()}}"
    if edits.drop:
        yield f"state = {{k: v for k, v in state.items() if {_kept(edits.drop)}}}"
    for old, new in edits.rename:
        found = renaming(old, new)
        yield (
            f"state = {{re.sub({_pattern(found.pattern)}, {_pattern(found.template)}, k, count=1): v "
            "for k, v in state.items()}"
        )
    if edits.add:
        yield f"state = {{{_literal(edits.add)} + k: v for k, v in state.items()}}"


def _kept(patterns: tuple[str, ...]) -> str:
    """The condition under which a key stays."""
    plain = [pattern for pattern in patterns if not _is_glob(pattern)]
    starts = [pattern[:-1] for pattern in patterns if pattern.endswith(".*") and not _is_glob(pattern[:-1])]
    others = [pattern for pattern in patterns if pattern not in plain and pattern[:-1] not in starts]
    tests: list[str] = []
    if len(plain) == 1:
        tests.append(f"k != {_literal(plain[0])}")
    elif plain:
        tests.append(f"k not in ({', '.join(map(_literal, plain))})")
    if len(starts) == 1:
        tests.append(f"not k.startswith({_literal(starts[0])})")
    elif starts:
        tests.append(f"not k.startswith(({', '.join(map(_literal, starts))}))")
    tests += [f"not fnmatch(k, {_literal(pattern)})" for pattern in others]
    return " and ".join(tests)


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _literal(value: object) -> str:
    """A Python literal with double quotes where it is a string."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and value.isprintable() else repr(value)


def _pattern(text: str) -> str:
    return f'r"{text}"' if '"' not in text and text.isprintable() and not text.endswith("\\") else repr(text)
