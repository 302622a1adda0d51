"""Which rules run: `--select`, `--ignore` and their kin, with ruff's meaning.

A selector is a code, a prefix of one, or ALL. Selectors are applied from the widest to the narrowest, selecting before
ignoring, so that the narrower word wins whatever the order it was said in:

    --select CKPT1 --ignore CKPT10 --extend-select CKPT101     CKPT101 and CKPT110

The configuration is one layer, the command line another on top of it. A layer with a `select` starts afresh; one
without changes what is there. Rules that are opt-in come in by any selector, never by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ckptlint.failure import Failure
from ckptlint.rules.base import Registry

_EVERYTHING = "ALL"


class Layer(msgspec.Struct, frozen=True):
    """What one place said; None: it did not say. `source` is the configuration file, "" for the command line."""

    source: str = ""
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fixable: tuple[str, ...] | None = None
    extend_fixable: tuple[str, ...] = ()
    unfixable: tuple[str, ...] = ()

    def codes(self, field: str, registry: Registry) -> tuple[tuple[str, frozenset[str]], ...]:
        """The selectors of a field, each with its codes; `Failure` names the field."""
        name = field.replace("_", "-")
        where = f"{self.source}: `{name}`" if self.source else f"--{name}"
        return tuple((word, expand(word, where, registry)) for word in getattr(self, field) or ())


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
        select, more = layer.codes("select", registry), layer.codes("extend_select", registry)
        ignore = layer.codes("ignore", registry)
        start = enabled if layer.select is None else frozenset[str]()
        enabled = _apply(start, (*select, *more), ignore)
        start = fixable if layer.fixable is None else frozenset[str]()
        adds = (*layer.codes("fixable", registry), *layer.codes("extend_fixable", registry))
        fixable = _apply(start, adds, layer.codes("unfixable", registry))
        ignored = frozenset(code for _, codes in ignore for code in codes)
        exact = frozenset(code for word, codes in (*select, *more) for code in codes if word in (code, _EVERYTHING))
        refused = ((refused if layer.select is None else frozenset()) | ignored) - enabled
        named = ((named if layer.select is None else frozenset()) | exact) & enabled
    return Selection(enabled, fixable, named, refused)


def expand(selector: str, source: str, registry: Registry) -> frozenset[str]:
    """The codes that a selector stands for; `Failure` when there are none."""
    if selector == _EVERYTHING:
        return frozenset(registry.codes)
    codes = frozenset(code for code in registry.codes if code.startswith(selector)) if selector else frozenset()
    if not codes:
        import difflib  # noqa: PLC0415 - only for an error

        near = difflib.get_close_matches(selector.upper(), (*registry.codes, _EVERYTHING), n=1, cutoff=0.7)
        hint = f"; did you mean {near[0]}?" if near else " (`ckptlint rule --all` lists the rules)"
        raise Failure(f"{source}: there is no rule {selector!r}{hint}")
    return codes


def _apply(
    start: frozenset[str], more: Iterable[tuple[str, frozenset[str]]], fewer: Iterable[tuple[str, frozenset[str]]]
) -> frozenset[str]:
    result = start
    steps = [(_width(word), 0, codes) for word, codes in more] + [(_width(word), 1, codes) for word, codes in fewer]
    for _, removes, codes in sorted(steps, key=lambda step: step[:2]):
        result = result - codes if removes else result | codes
    return result


def _width(selector: str) -> int:
    return 0 if selector == _EVERYTHING else len(selector)
