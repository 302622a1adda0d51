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


def needed_imports(lines: tuple[str, ...]) -> tuple[str, ...]:
    """What the lines need beside torch: `import re`, `from fnmatch import fnmatch`, `import safetensors.torch`."""
    text = "\n".join(lines)
    found = (
        ("re.sub(", "import re"),
        ("fnmatch(", "from fnmatch import fnmatch"),
        ("safetensors.torch.", "import safetensors.torch"),
    )
    return tuple(line for mark, line in found if mark in text)


def python_lines(edits: KeyEdits) -> Iterator[str]:
    """Lines that turn the dict `state` into the mended one; see `needed_imports`."""
    if edits.strip:
        expression = "k" + "".join(f".removeprefix({literal(prefix)})" for prefix in edits.strip)
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
        yield f"state = {{{literal(edits.add)} + k: v for k, v in state.items()}}"


def _kept(patterns: tuple[str, ...]) -> str:
    """The condition under which a key stays."""
    plain = [pattern for pattern in patterns if not _is_glob(pattern)]
    starts = [pattern[:-1] for pattern in patterns if pattern.endswith(".*") and not _is_glob(pattern[:-1])]
    others = [pattern for pattern in patterns if pattern not in plain and pattern[:-1] not in starts]
    tests: list[str] = []
    if len(plain) == 1:
        tests.append(f"k != {literal(plain[0])}")
    elif plain:
        tests.append(f"k not in ({', '.join(map(literal, plain))})")
    if len(starts) == 1:
        tests.append(f"not k.startswith({literal(starts[0])})")
    elif starts:
        tests.append(f"not k.startswith(({', '.join(map(literal, starts))}))")
    tests += [f"not fnmatch(k, {literal(pattern)})" for pattern in others]
    return " and ".join(tests)


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def literal(value: object) -> str:
    """A Python literal with double quotes where it is a string."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and value.isprintable() else repr(value)


def _pattern(text: str) -> str:
    return f'r"{text}"' if '"' not in text and text.isprintable() and not text.endswith("\\") else repr(text)
