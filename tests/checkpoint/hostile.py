"""Every class of hostile and broken file: name -> (bytes, a piece of the sentence that the user gets).

`LISTED` can be listed, with a problem of the code that stands there; everything in `REFUSED` is no readable checkpoint.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable

from tests.checkpoint.builders import (
    Record,
    build_zip,
    described,
    integer,
    marker_call,
    name,
    plain,
    records_of,
    safetensors,
    saved,
    state_dict,
    tensor,
    text,
    with_pickle,
)

_FLOATS = struct.pack("<4f", 1, 2, 3, 4)


def _pickles(marker: str) -> dict[str, tuple[bytes, str]]:
    """Pickles in a zip of torch's form."""
    attack = marker_call(marker)
    nested_list = b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b"."
    nested_tuple = b"\x80\x02)" + b"\x85" * 1_000_000 + b"."
    levels = b"".join(
        b"(h" + bytes([level]) + b"h" + bytes([level]) + b"lq" + bytes([level + 1]) + b"0" for level in range(40)
    )
    bomb = b"\x80\x02(K\x01K\x02lq\x000" + levels + b"h\x28."
    pairs = b"".join(
        b"h" + bytes([level]) + b"h" + bytes([level]) + b"\x86q" + bytes([level + 1]) + b"0" for level in range(40)
    )
    key_bomb = b"\x80\x02K\x00\x85q\x000" + pairs + b"}h\x28K\x01s."
    reused = (
        b"\x80\x02]("
        + b"K\x01K\x02\x86" * 3000
        + b"eq\x000"
        + (name("collections", "OrderedDict") + b"h\x00\x85R0") * 3000
        + b"N."
    )
    return {
        "reduce": (b"\x80\x02" + attack + b".", "made to run code"),
        "reduce inside": (state_dict(("a", tensor()), ("b", attack)), "made to run code"),
        "reduce without a stop": (b"\x80\x02" + attack, "cut off"),
        "inst": (b"(" + text("x") + b"ios\nsystem\n.", "made to run code"),
        "obj": (b"(" + name("posix", "system") + text("x") + b"o.", "made to run code"),
        "newobj": (b"\x80\x02" + name("subprocess", "Popen") + b")\x81.", "made to run code"),
        "newobj_ex": (b"\x80\x04" + name("subprocess", "Popen") + b")}\x92.", "made to run code"),
        "stack_global": (b"\x80\x04\x8c\x05posix\x8c\x06system\x93(" + text("x") + b"tR.", "made to run code"),
        "python 2 name": (b"\x80\x02" + name("__builtin__", "eval") + text("1") + b"\x85R.", "made to run code"),
        "popped call": (b"\x80\x02" + attack + b"0N.", "made to run code"),
        "build on a global": (b"\x80\x02" + name("os", "environ") + b"}b.", "sets attributes"),
        "build on a number": (b"\x80\x02K\x01}b.", "sets attributes of a int"),
        "huge string": (b"\x80\x02X\xff\xff\xff\x7fabc.", "cut off"),
        "huge bytes": (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.", "cut off"),
        "giant integer": (b"\x80\x02\x8b" + struct.pack("<i", 50_000_000) + b"\x01" * 100_000 + b".", "giant integer"),
        "giant decimal": (b"I" + b"9" * 60_000 + b"\n.", "giant integer"),
        "negative length": (b"\x80\x02\x8b" + struct.pack("<i", -5) + b".", "giant integer"),
        "memo out of nothing": (b"\x80\x02j\xff\xff\xff\xff.", "never stored"),
        "setitem on a list": (b"\x80\x02]K\x01K\x02s.", "sets a key of a list"),
        "setitem on a number": (b"\x80\x02K\x00K\x01K\x02s.", "sets a key of a int"),
        "append to a dict": (b"\x80\x02}K\x01a.", "appends to a dict"),
        "odd setitems": (b"\x80\x02}(K\x01u.", "sets a key without a value"),
        "list as a key": (b"\x80\x02}]K\x01s.", "list as a key"),
        "list as a key of a subclass": (
            b"\x80\x02" + name("collections", "defaultdict") + b")R]K\x01s.",
            "list as a key",
        ),
        "deep key of a subclass": (
            b"\x80\x02" + name("my.module", "Dict") + b")\x81)" + b"\x85" * 1_000_000 + b"K\x01s.",
            "many parts as a key",
        ),
        "deep key": (b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.", "many parts as a key"),
        "key bomb": (key_bomb, "many parts as a key"),
        "giant key": (b"\x80\x02}" + integer(2**70) + b"K\x01s.", "giant integer as a key"),
        "list bomb": (bomb, "unfolds into more than"),
        "one dict in many places": (
            b"\x80\x02}("
            + b"".join(text(f"k{key}") + b"N" for key in range(20_000))
            + b"uq\x000]("
            + b"h\x00" * 3000
            + b"e.",
            "unfolds into more than",
        ),
        "list that is made a dict again and again": (reused, "over and over"),
        "million nones": (b"\x80\x02" + b"N" * 7_000_000 + b".", "instructions"),
        "million marks": (b"\x80\x02" + b"(" * 7_000_000 + b".", "nests or remembers"),
        "million memo entries": (b"\x80\x04N" + b"\x94" * 5_900_000 + b".", "nests or remembers"),
        "million sets": (b"\x80\x04" + b"\x8f" * 5_900_000 + b".", "over and over"),
        "million globals": (
            b"\x80\x02" + b"".join(b"ca\n%d\n" % index for index in range(30_000)) + b".",
            "20,000 globals",
        ),
        "empty stack": (b"\x80\x02.", "stops without a value"),
        "no mark": (b"\x80\x02tttttttttttttttttttttttttttttt.", "takes more from its stack"),
        "no stop": (b"\x80\x02}", "cut off"),
        "empty": (b"", "cut off"),
        "not a pickle": (b"\xff\xfe" * 50, "0xff"),
        "protocol 9": (b"\x80\x09}.", "protocol 9"),
        "bad utf-8": (b"\x80\x02X\x02\x00\x00\x00\xff\xfe" + b"0" * 20 + b".", "not UTF-8"),
        "line without end": (b"c" + b"a" * 200_000, "never ends"),
        "string without quotes": (b"Sabc\n.", "without quotes"),
        "float that is none": (b"Fabc\n.", "number that is none"),
        "int that is none": (b"Iabc\n.", "number that is none"),
        "out of band buffer": (b"\x80\x05\x97.", "0x97"),
        "nested list": (nested_list, ""),
        "nested tuple": (nested_tuple, ""),
    }


# Pickles that do no harm to a reader that does not recurse: they are listed.
HARMLESS = ("nested list", "nested tuple")


def _zips() -> dict[str, tuple[bytes, str]]:
    good = records_of(saved(plain()))
    first, *rest = good
    data0 = next(record for record in good if record.name.endswith("data/0"))
    others = [record for record in good if record is not data0]
    whole = saved(plain())
    encrypted = build_zip([first._replace(flags=1), *rest])
    return {
        "deflated bomb": (
            build_zip([Record("a/data.pkl", b"\0" * 100_000_000, method=8), Record("a/version", b"3")]),
            "reads at most",
        ),
        "deflated bomb that lies": (
            build_zip(
                [Record("a/data.pkl", b"\0" * 20_000_000, method=8, central_size=1000), Record("a/version", b"3")]
            ),
            "size that is not its own",
        ),
        "unknown method": (build_zip([first._replace(method=97), *rest]), "compressed by method 97"),
        "duplicate name": (build_zip([*good, data0]), "twice"),
        "name that climbs out": (build_zip([*good, Record("archive/../../etc/passwd", b"x")]), "climbs out"),
        "windows name that climbs out": (build_zip([*good, Record("archive\\..\\x", b"x")]), "climbs out"),
        "local and central names disagree": (
            build_zip([first._replace(name="archive/data.pkk", central_name=first.name), *rest]),
            "disagrees",
        ),
        "encrypted": (encrypted, "encrypted"),
        "overlap": (build_zip([first, *rest[:-1], rest[-1]._replace(header=0)]), "overlap"),
        "record beyond the file": (
            build_zip([first, *rest[:-1], rest[-1]._replace(header=10**8)]),
            "beyond the records",
        ),
        "record size beyond the file": (build_zip([first._replace(central_size=10**8), *rest]), "beyond the records"),
        "absurd count": (build_zip(good, count=2**60, zip64=True), "claims"),
        "count too large": (build_zip(good, count=len(good) + 1), ""),
        "count too small": (build_zip(good, count=len(good) - 1), "longer than its records"),
        "directory beyond the end": (build_zip(good, start=2**31), "beyond the end"),
        "directory too early": (build_zip(good, start=0), "end record says"),
        "zip64 record elsewhere": (whole[:-34] + struct.pack("<Q", 2**60) + whole[-26:], "zip64 record"),
        "junk before the start": (build_zip(good, prefix=b"JUNK" * 25), "100 bytes before the start"),
        "cut in the middle": (whole[: len(whole) // 2], "missing or cut off"),
        "cut before the end record": (whole[:-22], "missing or cut off"),
        "empty zip": (build_zip([]), "empty zip"),
        "npz": (build_zip([Record("a.npy", b"x"), Record("b.npy", b"y")]), "numpy.load"),
        "zipped checkpoint": (build_zip([Record("runs/best.pth", whole)]), "unzip it"),
        "packed again": (build_zip([Record("README", b"hi"), *others, data0]), "packed again"),
        "jar": (build_zip([Record("META-INF/MANIFEST.MF", b"x"), Record("A.class", b"y")]), "without data.pkl"),
    }


def _safetensors() -> dict[str, tuple[bytes, str]]:
    one = {"w": described("F32", [4], 0, 16)}
    return {
        "header beyond the file": (safetensors(one, _FLOATS, length=10_000), "cut off"),
        "absurd header length": (safetensors(one, _FLOATS, length=2**47), "does not allow"),
        "overlap": (
            safetensors({"a": described("F32", [4], 0, 16), "b": described("F32", [1], 8, 12)}, _FLOATS),
            "overlap",
        ),
        "hole": (safetensors({"a": described("F32", [1], 4, 8)}, b"\0" * 8), "hole"),
        "size does not fit the shape": (safetensors({"w": described("F32", [5], 0, 16)}, _FLOATS), "need 20"),
        "size does not fit the dtype": (safetensors({"w": described("F64", [4], 0, 16)}, _FLOATS), "need 32"),
        "duplicate key": (
            safetensors(
                b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"I32","shape":[4],"data_offsets":[0,16]}}',
                _FLOATS,
            ),
            "twice",
        ),
        "trailing bytes": (safetensors(one, _FLOATS + b"more"), "4 bytes after"),
        "cut data": (safetensors(one, _FLOATS[:-1]), "cut off"),
        "deep json": (safetensors(b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}"), "nests deeper"),
        "deep json, not closed": (safetensors(b'{"a":' + b"[" * 500_000), "nests deeper"),
        "unknown dtype": (safetensors({"w": described("F33", [4], 0, 16)}, _FLOATS), "F33"),
        "negative shape": (safetensors({"w": described("F32", [-4], 0, 16)}, _FLOATS), "shape that is none"),
        "shape of floats": (
            safetensors(b'{"w":{"dtype":"F32","shape":[4.0],"data_offsets":[0,16]}}', _FLOATS),
            "shape that is none",
        ),
        "giant shape": (safetensors({"w": described("F32", [2**62, 2**62], 0, 16)}, _FLOATS), "more elements"),
        "giant number": (
            safetensors(b'{"w":{"dtype":"F32","shape":[' + b"9" * 100_000 + b'],"data_offsets":[0,16]}}', _FLOATS),
            "not JSON",
        ),
        "backwards": (safetensors({"w": described("F32", [0], 16, 0)}, _FLOATS), "place that is none"),
        "long text": (safetensors(b'{"a":"' + b"\\n" * 4_000_000 + b'"}'), "says nothing about"),
        "not json": (safetensors(b'{"w": nonsense}', _FLOATS), "not JSON"),
        "not utf-8": (safetensors(b'{"\xff\xfe": {}}', _FLOATS), "not UTF-8"),
        "not an object": (safetensors({"w": 5}, _FLOATS), "says nothing about"),
        "metadata of numbers": (safetensors({"__metadata__": {"a": 1}, **one}, _FLOATS), "no table of strings"),
    }


def _others() -> dict[str, tuple[bytes, str]]:
    legacy = saved(plain(), zipped=False)
    return {
        "nothing": (b"", "is empty"),
        "html": (b"\n<!DOCTYPE html><html><title>404</title>", "HTML page"),
        "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"),
        "gzip": (gzip.compress(saved(plain())), "gunzip"),
        "7z": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, "7z"),
        "zeros": (b"\0" * 5000, "zeros"),
        "text": (b"epoch,loss\n1,0.5\n", "no checkpoint that ckptlint knows"),
        "json": (b'{"model_type": "bert"}', "without a weight_map"),
        "deep json": (b"[" * 500_000, "no checkpoint"),
        "deep json object": (b'{"a":' * 500_000, "neither a checkpoint nor"),
        "plain pickle": (b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01s.", "plain pickle"),
        "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "HDF5"),
        "gguf": (b"GGUF\x03\0\0\0" + b"\0" * 50, "GGUF"),
        "legacy cut in the pickle": (legacy[:200], "cut off"),
        "legacy of another version": (legacy.replace(b"M\xe9\x03.", b"M\xe8\x03.", 1), "legacy protocol"),
        "other tar": (_tar(b"readme"), "other files"),
        "terminal codes": (b"\x1b[31mred", "no checkpoint"),
    }


def _tar(name_: bytes) -> bytes:
    header = bytearray(512)
    header[: len(name_)] = name_
    header[124:136] = b"00000000005\0"
    header[156:157] = b"0"
    header[257:263] = b"ustar\0"
    return bytes(header) + b"hello".ljust(512, b"\0") + b"\0" * 1024


def refused(marker: str) -> dict[str, tuple[bytes, str]]:
    """Files that ckptlint must refuse; `marker` is a path that no payload may create."""
    cases = {
        f"pickle: {case}": (with_pickle(pickle, data__0=_FLOATS), sentence)
        for case, (pickle, sentence) in _pickles(marker).items()
        if case not in HARMLESS
    }
    for title, group in (("zip", _zips()), ("safetensors", _safetensors()), ("other", _others())):
        cases.update({f"{title}: {case}": value for case, value in group.items()})
    return cases


def listed(marker: str) -> dict[str, tuple[bytes, str]]:
    """Files that can be listed: -> (bytes, the code of the problem that is named, or "")."""
    good = records_of(saved(plain()))
    no_data = [record for record in good if not record.name.endswith("data/1")]
    short = [record._replace(data=record.data[:5]) if record.name.endswith("data/1") else record for record in good]
    cyclic = b"\x80\x02}q\x00" + text("a") + tensor() + b"s" + text("self") + b"h\x00s."
    cases = {f"pickle: {case}": (with_pickle(_pickles(marker)[case][0]), "") for case in HARMLESS}
    legacy = saved(plain(), zipped=False)
    cases |= {
        "keys of many numbers": (
            with_pickle(
                state_dict(*((".".join(str((key >> bit) & 1) for bit in range(3000)), tensor()) for key in range(50))),
                data__0=_FLOATS,
            ),
            "",
        ),
        "a view of endless elements": (
            with_pickle(state_dict(("w", tensor(size=(2**40,), stride=(0,)))), data__0=_FLOATS),
            "",
        ),
        "a window of endless elements": (
            with_pickle(state_dict(("w", tensor(size=(2, 2, 2**30), stride=(1, 1, 0)))), data__0=_FLOATS),
            "",
        ),
        "ties that add up": (_views(lambda number: 0), ""),
        "views that add up": (_views(lambda number: number), ""),
        "a record that says it begins later": (_late(saved(plain())), ""),
        "cycle": (with_pickle(cyclic, data__0=_FLOATS), ""),
        "record missing": (build_zip(no_data), "missing-record"),
        "record short": (build_zip(short), "short-record"),
        "record deflated": (build_zip([good[0], *[record._replace(method=8) for record in good[1:]]]), "deflated"),
        "record of no tensor": (build_zip([*good, Record("archive/data/99", b"x")]), "dead-records"),
        "shape beyond the storage": (with_pickle(state_dict(("w", tensor(size=(5,)))), data__0=_FLOATS), "bad-tensor"),
        "2^60 elements": (with_pickle(state_dict(("w", tensor(size=(2**60,)))), data__0=_FLOATS), "bad-tensor"),
        "2^60 elements in the storage": (
            with_pickle(state_dict(("w", tensor(numel=2**60, size=(2**60,)))), data__0=_FLOATS),
            "short-record",
        ),
        "negative stride": (with_pickle(state_dict(("w", tensor(stride=(-1,)))), data__0=_FLOATS), "bad-tensor"),
        "negative size": (with_pickle(state_dict(("w", tensor(size=(-4,)))), data__0=_FLOATS), "bad-tensor"),
        "negative offset": (with_pickle(state_dict(("w", tensor(offset=-1))), data__0=_FLOATS), "bad-tensor"),
        "offset beyond": (with_pickle(state_dict(("w", tensor(offset=1))), data__0=_FLOATS), "bad-tensor"),
        "size and stride of two lengths": (
            with_pickle(state_dict(("w", tensor(size=(2, 2)))), data__0=_FLOATS),
            "bad-tensor",
        ),
        "thousand dimensions": (
            with_pickle(state_dict(("w", tensor(size=(1,) * 1000, stride=(1,) * 1000))), data__0=_FLOATS),
            "bad-tensor",
        ),
        "unknown storage": (
            with_pickle(state_dict(("w", tensor(storage="OddStorage"))), data__0=_FLOATS),
            "bad-tensor",
        ),
        "an unknown class": (
            with_pickle(state_dict(("w", tensor()), ("x", name("my.module", "Thing") + b")\x81}b")), data__0=_FLOATS),
            "weights-only",
        ),
        "legacy cut in the data": (legacy[:-3], "cut-off"),
        "legacy with bytes after it": (legacy + b"more", "trailing-bytes"),
        "legacy with another length": (_legacy_length(legacy), "wrong-length"),
    }
    return cases


def _views(offset: Callable[[int], int]) -> bytes:
    """Four megabytes that 10,000 tensors look at."""
    tensors = ((f"k{n}", tensor(numel=1_020_000, offset=offset(n), size=(1_000_000,))) for n in range(10_000))
    return with_pickle(state_dict(*tensors), data__0=bytes(4 * 1_020_000))


def _late(data: bytes) -> bytes:
    """The last tensor's record with an extra field that reaches into the next record."""
    header = data.rindex(b"PK\3\4", 0, data.index(b"data/1"))
    return data[: header + 28] + b"\x00\x10" + data[header + 30 :]


def _legacy_length(data: bytes) -> bytes:
    at = data.rindex(struct.pack("<q", 3))
    return data[:at] + struct.pack("<q", 7) + data[at + 8 :]
