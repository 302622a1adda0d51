"""Which rules run: `--select`, `--ignore` and their kin, with ruff's meaning.

A selector is a code, a prefix of one, or ALL. Selectors are applied from the widest to the narrowest, selecting before
ignoring, so that the narrower word wins whatever the order it was said in:

    --select CKPT1 --ignore CKPT10 --extend-select CKPT101     CKPT101 and CKPT110

The configuration is one layer, the command line another on top of it. A layer with a `select` starts afresh; one
without changes what is there. Rules that are opt-in come in by any selector, never by default.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from ckptlint.failure import Failure
from ckptlint.rules.base import Registry

_EVERYTHING = "ALL"


class Layer(msgspec.Struct, frozen=True):
    """What one place said; None: it did not say. `source` is for errors: "--select", "pyproject.toml"."""

    source: str
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fixable: tuple[str, ...] | None = None
    extend_fixable: tuple[str, ...] = ()
    unfixable: tuple[str, ...] = ()


class Selection(msgspec.Struct, frozen=True):
    """What the layers come to.

    `named`: selected by code or by ALL, not only by default or a prefix; `refused`: turned off by word, by an ignore.
    """

    enabled: frozenset[str]
    fixable: frozenset[str]
    named: frozenset[str]
    refused: frozenset[str]


def resolve(layers: Sequence[Layer], registry: Registry) -> Selection:
    """The rules that the layers select; `Failure` for a selector that is no rule."""
    enabled = frozenset(code for code, rule in registry.rules.items() if rule.default)
    fixable = frozenset(registry.codes)
    named: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    for layer in layers:
        selected = (*(layer.select or ()), *layer.extend_select)
        enabled = _apply(enabled, layer.select, layer.extend_select, layer.ignore, layer.source, registry)
        fixable = _apply(fixable, layer.fixable, layer.extend_fixable, layer.unfixable, layer.source, registry)
        ignored = frozenset().union(*(expand(word, layer.source, registry) for word in layer.ignore))
        refused = ((refused if layer.select is None else frozenset()) | ignored) - enabled
        exact = frozenset(
            code
            for word in selected
            if word in registry.codes or word == _EVERYTHING
            for code in expand(word, "", registry)
        )
        named = ((named if layer.select is None else frozenset()) | exact) & enabled
    return Selection(enabled, fixable, named, refused)


def expand(selector: str, source: str, registry: Registry) -> frozenset[str]:
    """The codes that a selector stands for; `Failure` when there are none."""
    if selector == _EVERYTHING:
        return frozenset(registry.codes)
    codes = frozenset(code for code in registry.codes if code.startswith(selector)) if selector else frozenset()
    if not codes:
        near = difflib.get_close_matches(selector.upper(), (*registry.codes, _EVERYTHING), n=1, cutoff=0.7)
        hint = f"; did you mean {near[0]}?" if near else " (`ckptlint rule --all` lists the rules)"
        raise Failure(f"{source}: there is no rule {selector!r}{hint}")
    return codes


def _apply(
    before: frozenset[str],
    start: tuple[str, ...] | None,
    more: Iterable[str],
    fewer: Iterable[str],
    source: str,
    registry: Registry,
) -> frozenset[str]:
    result = set(before) if start is None else set()
    words = [(word, True) for word in (*(start or ()), *more)] + [(word, False) for word in fewer]
    for word, adds in sorted(words, key=lambda item: (_width(item[0]), not item[1])):
        codes = expand(word, source, registry)
        result = result | codes if adds else result - codes
    return frozenset(result)


def _width(selector: str) -> int:
    return 0 if selector == _EVERYTHING else len(selector)
