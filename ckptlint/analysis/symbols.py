"""Names for values that are not known.

A symbol is made of the text of the expression, with the symbols of its parts in place of local names, so that
`args.distributed` is the same symbol in `main(args)` and in the function that `main` hands `args` to.
"""

from __future__ import annotations

import re
from zlib import crc32

from ckptlint.analysis.values import (
    Bound,
    Choice,
    ClassValue,
    Const,
    External,
    Function,
    Key,
    Keys,
    Method,
    Opaque,
    Package,
    Partial,
    PythonModule,
    Ref,
    Text,
    TupleValue,
    Value,
)

LONGEST = 160

#: A condition on one of these can be one way when a file is written and the other way when it is read: they speak of
#: the machine that the script runs on, not of the model. Everything else is taken to be the same on both sides.
_ENVIRONMENT = re.compile(
    r"""(?xi)
    gpu | cuda | device | distribut | parallel | world_?size | (?<![a-z])rank | (?<![a-z])ddp (?![a-z])
  | (?<![a-z])dp (?![a-z]) | multi | n_?proc | num_?proc | several | node | slurm | dist (?![a-z]) | compile
  | mps (?![a-z]) | is_available | (?<![a-z])ngpu | apex | (?<![a-z])amp (?![a-z]) | fsdp | deepspeed | accelerat
  | (?<![a-z])cpu
    """
)


def symbol_of(value: Value) -> str:
    """A name for the value: its own where it is opaque, a rendering where it is known."""
    return shorten(_render(value))


def _render(value: Value) -> str:
    if isinstance(value, Opaque):
        return value.symbol
    if isinstance(value, Const):
        return repr(value.value)
    if isinstance(value, (External, ClassValue, Function)):
        return value.name
    if isinstance(value, Text):
        return "'" + "".join(p if isinstance(p, str) else "{" + p.symbol + "}" for p in value.parts) + "'"
    if isinstance(value, TupleValue):
        return "(" + ", ".join(_render(item) for item in value.items) + ")"
    if isinstance(value, PythonModule):
        return value.file
    if isinstance(value, Package):
        return value.folder
    if isinstance(value, (Bound, Method)):
        return _render(value.receiver) + "." + (value.name if isinstance(value, Method) else _render(value.function))
    if isinstance(value, Partial):
        return "partial(" + _render(value.function) + ")"
    if isinstance(value, Ref):
        return f"<object {value.id}>"
    if isinstance(value, Key):
        return "<key>"
    if isinstance(value, Keys):
        return "<keys>" if value.content.file is None else f"<keys of file {value.content.file}>"
    if isinstance(value, Choice):
        return " | ".join(dict.fromkeys(_render(plain) for _, plain in value.alternatives[:3]))
    return "<value>"


def shorten(symbol: str) -> str:
    """At most LONGEST characters; the middle of a longer one is left out, its hash put there."""
    if len(symbol) <= LONGEST:
        return symbol
    # A stable hash: symbols must be the same in every run and every process.
    digest = crc32(symbol.encode("utf-8", "surrogatepass")) & 0xFFFFFF
    return f"{symbol[:100]}~{digest:06x}~{symbol[-40:]}"


def is_environment(symbol: str) -> bool:
    """Whether the symbol speaks of the machine or the launch, not of the model."""
    return _ENVIRONMENT.search(symbol) is not None
