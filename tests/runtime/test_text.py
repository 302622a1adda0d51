"""What is printed about times and rates, and how shares are rounded."""

from __future__ import annotations

import pytest

from ckptlint.runtime.result import Keys, Limits, Loaded, Verification
from ckptlint.runtime.text import percent, verification_lines

KEYS = Keys(2, {}, {}, (), (), (), None, ())


def lines(loaded: Loaded, device: str) -> str:
    found = Verification(
        path="a.pth", format="zip", model="m:f", entry="", also_fits=(), built_on="meta", built_because="",
        device=device, processes=1, strict=True, keys=KEYS, mend=None, loaded=loaded, checked=None, forwarded=None,
        findings=(),
    )  # fmt: skip
    return "\n".join(verification_lines(found))


def test_a_load_on_a_gpu_beside_its_limits() -> None:
    loaded = Loaded("arena", "", 8_000_000_000, 0.5, Limits(22e9, 51e9), 8_100_000_000, 1_200_000_000)
    said = lines(loaded, "cuda:0")
    assert "8.0 GB in 0.50 s, 16.0 GB/s, every tensor a view of one run of bytes" in said
    assert "reads the file at 22.0 GB/s and copies pinned memory to the device at 51.0 GB/s" in said
    assert "at most 8.1 GB on the device, 1.2 GB in RAM" in said


def test_a_small_load_has_no_rate() -> None:
    said = lines(Loaded("torch", "w is sparse_coo", 4_000, 0.01, Limits(), None, 300_000_000), "cpu")
    assert "4.0 kB in 0.01 s, by torch's own loader, since w is sparse_coo" in said
    assert "GB/s" not in said


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50.0 %")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
