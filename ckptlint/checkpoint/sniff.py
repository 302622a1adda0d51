"""What a file is, by its first bytes: one of the checkpoint formats, or the name of what it is instead."""

from __future__ import annotations

from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.source import Source

# How a legacy torch.save begins: a pickle of the number 0x1950a86a20f9469cfc6c. Protocols 0 and 1 write it as a line.
_LEGACY = (
    b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
    b"L119547037146038801333356L",
)

# (first bytes, what it is, what to do)
_OTHERS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the checkpoint itself",
        "run `git lfs pull` in its repository",
    ),
    (b"\x1f\x8b", "gzip-compressed", "gunzip it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\xfd7zXZ", "xz-compressed", "unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", "unpack it first (unzstd)"),
    (b"BZh", "bzip2-compressed", "unpack it first (bunzip2)"),
    (b"\x89HDF", "an HDF5 file (Keras, TensorFlow)", "torch cannot load it, convert it first"),
    (b"GGUF", "a GGUF file (llama.cpp)", "torch cannot load it, use the tools of llama.cpp"),
    (b"\x93NUMPY", "a numpy array", "read it with numpy.load"),
    (b"PK\x05\x06", "an empty zip", "there is nothing to load in it"),
    (b"\x7fELF", "a program", "name the checkpoint file"),
    (b"%PDF", "a PDF document", "name the checkpoint file"),
    (b"\x89PNG", "a picture", "name the checkpoint file"),
    (b"<?xml", "an XML document, often an error page of a download", "download the file again"),
    (b"#!", "a script", "name the checkpoint file"),
)

# Formats without a mark of their own at the start.
_BY_NAME = (
    (".onnx", "an ONNX model", "torch cannot load it, use onnxruntime"),
    (".tflite", "a TensorFlow Lite model", "torch cannot load it"),
    (".pb", "a TensorFlow graph", "torch cannot load it"),
    (".py", "Python source", "name the checkpoint file (`ckptlint check` is for source)"),
    (".yaml", "a configuration", "name the checkpoint file"),
)


def sniff(source: Source) -> str:
    """`zip`, `legacy`, `tar`, `safetensors` or `index`.

    Raises BadCheckpoint for everything else, with a name for what people really find.
    """
    head = source.read(0, 512)
    if not head:
        raise BadCheckpoint(f"{source.name} is empty: the save was interrupted or the download failed, get it again")
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if any(mark in head[:40] for mark in _LEGACY):
        return "legacy"
    if len(head) > 8 and head[8:9] in (b"{", b" ") and int.from_bytes(head[:8], "little") < 1 << 48:
        return "safetensors"
    if head[257:262] == b"ustar" or source.name.endswith(".tar"):
        return "tar"
    for mark, what, then in _OTHERS:
        if head.startswith(mark):
            raise BadCheckpoint(f"{source.name} is {what}: {then}")
    for suffix, what, then in _BY_NAME:
        if source.name.lower().endswith(suffix):
            raise BadCheckpoint(f"{source.name} is {what}: {then}")
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head")):
        raise BadCheckpoint(
            f"{source.name} is an HTML page, not a checkpoint: the download link led to a web page, download it again"
        )
    if text.startswith(b"{"):
        return "index"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise BadCheckpoint(
            f"{source.name} is a plain pickle, not written by torch.save: torch.load cannot read it; "
            "reading it with pickle runs whatever code it holds, so ask its author for a torch.save file"
        )
    if not head.strip(b"\0"):
        raise BadCheckpoint(f"{source.name} begins with zeros only: the disk was full or the copy failed, get it again")
    if b"PK\x03\x04" in head or _has_zip_end(source):
        return "zip"
    raise BadCheckpoint(
        f"{source.name} is no checkpoint that ckptlint knows (it begins with {head[:8]!r}): "
        "is it the right file, and did it arrive whole?"
    )


def _has_zip_end(source: Source) -> bool:
    tail = source.read(max(0, source.size - 22), 22)
    return tail[:4] == b"PK\x05\x06"
