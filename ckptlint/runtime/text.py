"""The lines that `ckptlint verify` prints.

runs/best.pth against nets:resnet, on cpu: FAILS
keys        0 fit, 62 missing, 62 unexpected
  missing     conv1.weight         float32 (64, 3, 7, 7)
  unexpected  module.conv1.weight  float32 (64, 3, 7, 7)
mend        strip 'module.' off the keys (saved from nn.DataParallel or DistributedDataParallel)
            100 % of the model, strict=True accepted
  ckptlint repair runs/best.pth -o runs/best.mended.pth --strip-prefix module.
  state = torch.load("runs/best.pth", map_location="cpu")["model"]
  ...
load        44.7 MB in 0.02 s (views of one arena)
checks      every tensor finite; load_state_dict(strict=True) accepted with the mend; 62 tensors equal to what ...
error: loading fails: ...
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptlint.checkpoint.harmless import harmless
from ckptlint.checkpoint.listing import size_text
from ckptlint.checkpoint.summary import plain_name
from ckptlint.runtime.limits import SMALLEST
from ckptlint.runtime.result import Checked, Forwarded, Keys, Loaded, Mended, Verification

_COLUMN = 12


def verification_lines(found: Verification) -> Iterator[str]:
    """One verification in words."""
    processes = f", {found.processes} processes" if found.processes > 1 else ""
    verdict = "FAILS" if found.failed else "ok"
    yield harmless(f"{found.path} against {found.model}, on {found.device}{processes}: {verdict}")
    yield _row("file", f"{found.format}, {_entry(found)}")
    built = "on the meta device, without data" if found.built_on == "meta" else f"on the {found.built_on.upper()}"
    yield _row("model", f"built {built}" + (f" ({found.built_because})" if found.built_because else ""))
    yield from _key_lines(found.keys)
    if found.mend is not None:
        yield from _mend_lines(found.mend)
    if found.loaded is not None:
        yield from _load_lines(found.loaded)
    if found.checked is not None:
        yield _row("checks", "; ".join(_checks(found.checked)))
    if found.forwarded is not None:
        yield from _forward_lines(found.forwarded)
    for finding in found.findings:
        yield harmless(f"{finding.severity}: {finding.message}")


def _row(title: str, text: str) -> str:
    return harmless(f"{title.ljust(_COLUMN)}{text}")


def _entry(found: Verification) -> str:
    name = f"entry {plain_name(found.entry)!r}" if found.entry else "a state dict at the top"
    if not found.also_fits:
        return name
    others = ", ".join(plain_name(other) for other in found.also_fits)
    return f"{name} ({others} would fit as well: --entry chooses)"


def _key_lines(keys: Keys) -> Iterator[str]:
    counts = [f"{keys.fitting:,} fit"]
    for count, what in (
        (len(keys.missing), "missing"),
        (len(keys.unexpected), "unexpected"),
        (len(keys.mismatched), "of another shape"),
        (len(keys.converted), "of another dtype, which the load converts"),
        (len(keys.tolerated), "missing that torch does not ask for"),
    ):
        if count:
            counts.append(f"{count:,} {what}")
    yield _row("keys", ", ".join(counts))
    yield from keys.lines


def _mend_lines(mend: Mended) -> Iterator[str]:
    yield _row("mend", mend.does[0] if mend.does else "")
    for line in mend.does[1:]:
        yield _row("", line)
    strict = "a strict load accepts the rest" if mend.strict else "load the rest with strict=False"
    yield _row("", f"{percent(mend.share)} of the model is restored; {strict}")
    if mend.command:
        yield f"  {harmless(mend.command)}"
    yield from (f"  {harmless(line)}" for line in mend.code)


def _load_lines(loaded: Loaded) -> Iterator[str]:
    ways = {
        "arena": "every tensor a view of the mapped file"
        if loaded.device_peak is None
        else "every tensor a view of one run of bytes",
        "torch": f"by torch's own loader, since {loaded.because}",
        "dcp": "by torch.distributed.checkpoint",
    }
    text = f"{size_text(loaded.nbytes)} in {loaded.seconds:.2f} s"
    if loaded.nbytes >= SMALLEST and loaded.seconds:
        text += f", {loaded.nbytes / loaded.seconds / 1e9:.1f} GB/s"
    limits = []
    if loaded.limits.read is not None:
        free = ", which a mapping does not copy" if loaded.device_peak is None else ""
        limits.append(f"reads the file at {loaded.limits.read / 1e9:.1f} GB/s{free}")
    if loaded.limits.copy is not None:
        limits.append(f"copies pinned memory to the device at {loaded.limits.copy / 1e9:.1f} GB/s")
    yield _row("load", f"{text}, {ways[loaded.way]}")
    if limits:
        yield _row("", f"in the same run this machine {' and '.join(limits)}")
    peak = f"{size_text(loaded.device_peak)} on the device, " if loaded.device_peak is not None else ""
    yield _row("memory", f"at most {peak}{size_text(loaded.host_peak)} in RAM (torch and the mapped file among them)")


def _checks(checked: Checked) -> Iterator[str]:
    if not checked.nan and not checked.infinite:
        yield "every tensor is finite"
    how = f"load_state_dict(strict={checked.strict})"
    with_mend = " with the mend" if checked.mended else ""
    yield f"{how} {'accepted' if checked.accepted else 'refused'}{with_mend}"
    if checked.accepted:
        equal = checked.compared - len(checked.unequal)
        yield f"{equal:,} of {checked.compared:,} tensors are equal to {checked.reference}"
        yield f"{percent(checked.share)} of the parameters restored{with_mend}"


def _forward_lines(forwarded: Forwarded) -> Iterator[str]:
    finite = "finite" if forwarded.finite else "NOT finite"
    yield _row("forward", f"{forwarded.shape} -> {forwarded.output}, {finite}, {forwarded.seconds:.2f} s")


def percent(share: float) -> str:
    """`100 %`, `99.7 %`; never 100 where something is missing, never 0 where something is there."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    return f"{min(99.9, max(0.1, 100 * share)):.1f} %"
