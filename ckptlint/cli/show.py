"""Print findings, or count them, and say in a line what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TextIO

from ckptlint.cli.settings import Run
from ckptlint.cli.talk import count, wants_color
from ckptlint.failure import Failure
from ckptlint.report.model import Item, Report, render


def show(run: Run, items: Sequence[Item], text: Callable[[str, str], str | None], stream: TextIO) -> None:
    """Write the findings to the stream, or to the file of `--output-file`. `text` gives a file's text."""
    target = run.args.output_file
    ordered = sorted(items, key=lambda item: (item.root, *item.finding.order))
    if run.args.statistics:
        written = statistics(ordered, run.output_format)
    else:
        report = Report(
            items=tuple(ordered),
            text=text,
            rules=run.registry.rules,
            directory=run.directory,
            unsafe=run.unsafe,
            color=wants_color(run.args.color, stream) and not target,
        )
        written = render(run.output_format, report)
    if not target:
        stream.write(written)
        return
    try:
        with open(target, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(written)
    except OSError as error:
        raise Failure(f"--output-file {target}: cannot be written: {error.strerror or error}") from None


def statistics(items: Sequence[Item], output_format: str) -> str:
    """How often each rule was reported, the commonest first."""
    counts = Counter((item.finding.code, item.finding.name) for item in items)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if output_format == "json":
        import json  # noqa: PLC0415 - rare

        return json.dumps([{"code": code, "name": name, "count": n} for (code, name), n in ordered], indent=2) + "\n"
    width = max((len(str(number)) for number in counts.values()), default=0)
    return "".join(f"{number:>{width}}\t{code}\t{name}\n" for (code, name), number in ordered)


def summary(items: Sequence[Item], *, unsafe: bool) -> str:
    """What was found, and what could be fixed."""
    if not items:
        return "All checks passed!"
    lines = [f"Found {count(len(items), 'problem')}."]
    free = [item.finding.fix for item in items if item.refusal is None]
    kinds = [fix.applicability.value for fix in free if fix is not None]
    applied = kinds.count("safe") + (kinds.count("unsafe") if unsafe else 0)
    hidden = 0 if unsafe else kinds.count("unsafe")
    if applied:
        more = f" ({hidden} more with `--unsafe-fixes`)" if hidden else ""
        lines.append(f"{applied} fixable with the `--fix` option{more}.")
    elif hidden:
        lines.append(f"{hidden} fixable with `--fix --unsafe-fixes`.")
    return "\n".join(lines)
