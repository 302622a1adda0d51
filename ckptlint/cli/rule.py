"""Explain a rule: what it finds, why that is bad, and what to write instead."""

from __future__ import annotations

import argparse
import json

from ckptlint.engine import Analyzer
from ckptlint.failure import Failure
from ckptlint.rules.base import Registry, Rule

_FIXES = {
    "safe": "Fix is always safe.",
    "unsafe": "Fix needs `--unsafe-fixes`.",
    "both": "Fix is sometimes available; it is safe, or needs `--unsafe-fixes`.",
    "none": "There is no fix.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A code or all of them."""
    parser.add_argument("code", nargs="?", metavar="CODE", help="the code of a rule")
    parser.add_argument("--all", action="store_true", help="explain all rules")
    parser.add_argument("--output-format", choices=("text", "json"), default="text")


def run(args: argparse.Namespace) -> int:
    """Print the manual."""
    analyzer: Analyzer | None = args.analyzer
    registry = Registry.builtin() if analyzer is None else analyzer.registry
    if args.all == (args.code is not None):
        raise Failure("give the code of one rule, or --all")
    rules = list(registry.rules.values()) if args.all else [registry[args.code]]
    if args.output_format == "json":
        objects = [_as_object(rule) for rule in rules]
        print(json.dumps(objects if args.all else objects[0], indent=2))
    else:
        print("\n\n".join(page(rule) for rule in rules))
    return 0


def page(rule: type[Rule]) -> str:
    """The manual page of a rule, as Markdown; also the page in docs/rules."""
    default = "On by default." if rule.default else "Off by default: select it by its code, a prefix of it or ALL."
    head = f"# {rule.name} ({rule.code})"
    facts = f"Severity: {rule.severity.value}. {default} {_FIXES[rule.fixable]} Since version {rule.since}."
    return f"{head}\n\n{facts}\n\n{rule.manual()}"


def _as_object(rule: type[Rule]) -> dict[str, object]:
    return {
        "code": rule.code,
        "name": rule.name,
        "summary": rule.summary(),
        "severity": rule.severity.value,
        "default": rule.default,
        "fix": rule.fixable,
        "since": rule.since,
        "explanation": rule.manual(),
    }
