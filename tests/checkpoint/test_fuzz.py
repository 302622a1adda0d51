"""Mutated real files: never a traceback, never long, never a payload run; the mended copy is never wrong in silence."""

from __future__ import annotations

import json
import os
import tempfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn

from ckptlint.checkpoint.as_json import checkpoint_as_json
from ckptlint.checkpoint.checksums import check_records
from ckptlint.checkpoint.compare import compare
from ckptlint.checkpoint.key_edits import KeyEdits
from ckptlint.checkpoint.listing import listing
from ckptlint.checkpoint.machine import read_pickle
from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.observe import observe
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.checkpoint.repair import plan_repair, write_repair
from ckptlint.checkpoint.to_safetensors import write_safetensors
from tests.checkpoint.bounds import bounded
from tests.checkpoint.builders import marker_call, saved, state_dict, tensor, with_pickle

# A path that exists only when a payload ran.
MARKER = os.path.join(tempfile.mkdtemp(), "ran")  # noqa: PTH118


def _seeds() -> list[bytes]:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    value = {"epoch": 1, "model": nn.DataParallel(model).state_dict(), "x": [1.5, (None, True), {"k": "v"}, {1, 2}]}
    tied = torch.ones(4)
    more = OrderedDict(
        a=tied, b=tied, c=tied[1:3], d=torch.ones(2, dtype=torch.bfloat16), e=nn.Parameter(torch.ones(1))
    )
    from safetensors.torch import save

    protocol_4 = saved({"a": torch.ones(1)})
    return [
        saved(value),
        saved(value, zipped=False),
        saved(more),
        saved(model),
        protocol_4,
        save({"a": torch.ones(3), "b": torch.zeros(2, 2)}, {"format": "pt"}),
        with_pickle(state_dict(("w", tensor()), ("x", marker_call(MARKER))), data__0=b"\0" * 16),
    ]


SEEDS = _seeds()
EXAMPLES = int(os.environ.get("CKPTLINT_FUZZ", "300"))  # a night's run takes more

# Bytes that mean something to one of the formats.
TOKENS = [
    b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff" * 8, b"R", b"(", b"t",
    b"Q", b"cos\nsystem\n", b"\x93", b"\x81", b"b", b"0", b"2", b".", b"}", b"]", b"u", b"s", b"a", b"e", b"h\x00",
    b"j\xff\xff\xff\x7f", b"\x8a\xff", b"X\xff\xff\xff\x7f", b"\x95", b"I99999999999999999999\n", b"data/0", b"storage",
    b"{", b"[", b'"', b"data_offsets",
]  # fmt: skip

mutation = st.tuples(
    st.sampled_from(["flip", "set", "insert", "delete", "copy", "cut", "token"]),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 255),
)


def mutate(data: bytes, steps: list[tuple[str, float, float, int]]) -> bytes:
    out = bytearray(data)
    for kind, where, other, value in steps:
        if not out:
            break
        at, span = int(where * len(out)), 1 + value % 16
        if kind == "flip":
            out[at] ^= 1 << value % 8
        elif kind == "set":
            out[at] = value
        elif kind == "insert":
            out[at:at] = bytes([value]) * span
        elif kind == "delete":
            del out[at : at + span]
        elif kind == "copy":
            source = int(other * len(out))
            out[at : at + span] = out[source : source + span]
        elif kind == "cut":
            del out[max(1, at) :]
        else:
            token = TOKENS[value % len(TOKENS)]
            out[at : at + len(token)] = token
    return bytes(out)


def survive(path: Path) -> None:
    """Everything that can be asked about a file, answered or refused by BadCheckpoint."""
    try:
        with bounded():
            checkpoint = open_checkpoint(str(path))
            problems = (*checkpoint.problems, *observe(checkpoint))
            for line in listing(checkpoint, problems, every_key=False):
                assert line.isprintable()
            json.loads("".join(checkpoint_as_json(checkpoint, problems)))
            checkpoint.state_dicts()
        with bounded():
            check_records(checkpoint)
        with bounded():
            compare(checkpoint, checkpoint, read=True)
        with bounded():
            write_repair(plan_repair(str(path), KeyEdits(strip=("module.",), drop=("b",))), f"{path}.out", force=True)
        with bounded():
            write_safetensors(plan_repair(str(path), KeyEdits(), modules=True), f"{path}.out", None, force=True)
    except BadCheckpoint as error:
        assert str(error)  # noqa: PT017
    assert not Path(MARKER).exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SEEDS) - 1), st.lists(mutation, min_size=1, max_size=6))
@example(0, [("token", 0.05, 0.0, 11)])
@example(2, [("set", 0.087890625, 0.0, 0)])  # a device with a control character in its name
def test_mutated_files(folder: Path, seed: int, steps: list[tuple[str, float, float, int]]) -> None:
    path = folder / "a.pth"
    path.write_bytes(mutate(SEEDS[seed], steps))
    survive(path)


pickles = st.lists(
    st.one_of(
        st.sampled_from(TOKENS),
        st.binary(min_size=1, max_size=3),
        st.sampled_from(
            [tensor(), tensor(size=(2, 2), stride=(2, 1)), marker_call(MARKER), b"}", b")", b"(", b"K\x01"]
        ),
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pickles)
def test_pickles_of_random_opcodes(folder: Path, pickle: bytes) -> None:
    path = folder / "b.pth"
    path.write_bytes(with_pickle(b"\x80\x02" + pickle + b".", data__0=b"\0" * 16))
    survive(path)


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(-9, 9)), inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=3).map(OrderedDict),
    ),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain, st.sampled_from([0, 1, 2, 3, 4, 5]))
def test_any_plain_value_is_read_and_written_back(value: object, protocol: int) -> None:
    """What CPython pickles, by any protocol, comes back from our pickle as the same value under CPython."""
    import pickle

    from ckptlint.checkpoint.emit import emit

    raw = pickle.dumps(value, protocol)
    read = read_pickle(raw)
    assert read.end == len(raw)
    written = emit(read.value, lambda blob: raw[blob.start : blob.start + blob.length])
    again = pickle.loads(written.data)
    assert again == value
    assert repr(again) == repr(value)
