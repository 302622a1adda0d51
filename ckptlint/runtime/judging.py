"""From what was seen to what is said: errors (exit code 1), warnings and notes, each one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ckptlint.checkpoint.fold import fold
from ckptlint.checkpoint.harmless import harmless
from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.observe import observe
from ckptlint.checkpoint.summary import plain_name
from ckptlint.runtime.result import Checked, Finding, Forwarded, Keys, Mended

_SHOWN = 110  # characters of one line of torch's text
_OF_THE_FILE = frozenset({"weights-only", "whole-module", "zero-3", "metadata-pickle"})


def judge(
    checkpoint: Checkpoint,
    keys: Keys,
    mend: Mended | None,
    checked: Checked | None,
    forwarded: Forwarded | str | None,
    failure: str,
    *,
    strict: bool,
    parameters: frozenset[str],
) -> tuple[Finding, ...]:
    """Everything there is to say; the errors decide the exit code."""
    found = [
        Finding(problem.severity, problem.code, problem.message)
        for problem in (*checkpoint.problems, *observe(checkpoint))
        if problem.severity == "error" or problem.code in _OF_THE_FILE
    ]
    found += _about_keys(keys, mend, strict=strict)
    if failure:
        found.append(Finding("error", "load", f"the tensors cannot be loaded: {failure}"))
    if checked is not None:
        found += _about_values(checked, parameters)
        found += _about_the_load(keys, checked, strict=strict)
    if isinstance(forwarded, str):
        found.append(Finding("error", "forward", f"the forward pass fails: {forwarded}"))
    elif forwarded is not None and not forwarded.finite:
        found.append(Finding("error", "forward", "what comes out of the forward pass is not finite"))
    return tuple(found)


def _about_keys(keys: Keys, mend: Mended | None, *, strict: bool) -> Iterator[Finding]:
    if keys.torch_says is not None and (strict or keys.mismatched):
        mended = (
            "" if mend is None else "; the mend above makes it load" + ("" if mend.strict else " with strict=False")
        )
        what = keys.torch_says.strip().splitlines()
        yield Finding("error", "strict-load", f"loading fails: {_shortened(what)}{mended}")
    elif keys.missing or keys.unexpected:
        text = (
            f"strict=False passes over {len(keys.missing):,} missing and {len(keys.unexpected):,} unexpected keys "
            "without a word"
        )
        yield Finding("warning", "partial-load", text)


def _shortened(lines: list[str]) -> str:
    """Torch's text with its lists of keys cut: the headline, then what is missing, unexpected, of another size."""
    shown = [line.strip() for line in lines[:4]]
    shown = [line if len(line) <= _SHOWN else line[: line.rfind(",", 0, _SHOWN) + 1] + " ..." for line in shown]
    text = " ".join([*shown, *(["..."] if len(lines) > 4 else [])])
    return harmless(text if text.endswith("...") else text.rstrip(". "))


def _about_values(checked: Checked, parameters: frozenset[str]) -> Iterator[Finding]:
    if checked.nan:
        yield Finding("error", "nan", _not_finite("NaN", checked.nan))
    ends = frozenset(end for name in parameters for end in _ends(name)) if checked.infinite else frozenset()
    weights = [key for key in checked.infinite if key in ends or not parameters.isdisjoint(_ends(key))]
    buffers = [key for key in checked.infinite if key not in set(weights)]
    if weights:
        yield Finding("error", "infinite", _not_finite("infinity", {key: checked.infinite[key] for key in weights}))
    if buffers:
        text = f"infinities in {_count(len(buffers), 'buffer')}, as attention masks have them: {_folded(buffers)}"
        yield Finding("note", "infinite-buffer", text)


def _not_finite(what: str, found: Mapping[str, int]) -> str:
    count = f"{_count(sum(found.values()), 'value')} in {_count(len(found), 'tensor')}"
    return f"{what} in {_folded(found)} ({count}): the weights were spoiled before they were saved"


def _ends(key: str) -> list[str]:
    """The key without its first parts, however many: one side may have a prefix more than the other."""
    parts = key.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _about_the_load(keys: Keys, checked: Checked, *, strict: bool) -> Iterator[Finding]:
    if checked.refusal is not None and keys.torch_says is None:
        what = checked.refusal.splitlines()
        yield Finding("error", "strict-load", f"load_state_dict refuses it on the device: {_shortened(what)}")
    if checked.unequal:
        text = (
            f"{_count(len(checked.unequal), 'tensor')} of the loaded model unlike {checked.reference}: "
            f"{_folded(checked.unequal)}; the model's own loading code changes them, or the load was wrong"
        )
        yield Finding("error", "unequal", text)
    if checked.accepted and not checked.mended and checked.parameters:
        if checked.restored == 0:
            text = "0 % of the parameters were restored: the load raises nothing and leaves the model as it was made"
            yield Finding("error", "nothing-restored", text)
        elif checked.restored < checked.parameters and not strict:
            text = f"only {100 * checked.share:.1f} % of the parameters were restored"
            yield Finding("warning", "partly-restored", text)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _folded(keys: Iterable[str]) -> str:
    lines = fold((plain_name(key), None) for key in keys)
    shown = ", ".join(line.pattern for line in lines[:4])
    return shown + (f" and {len(lines) - 4:,} more" if len(lines) > 4 else "")
