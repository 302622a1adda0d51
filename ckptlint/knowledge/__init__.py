"""What is known about torch and its frameworks: data, each piece with its source, and the loader that types it."""

from __future__ import annotations

from ckptlint.knowledge.entries import (
    Collective,
    Gather,
    Keeps,
    Layer,
    Loss,
    Preparer,
    RankWords,
    Role,
    Saved,
    Unwrap,
    Wrapper,
)
from ckptlint.knowledge.load import Knowledge, load_knowledge

__all__ = [
    "Collective",
    "Gather",
    "Keeps",
    "Knowledge",
    "Layer",
    "Loss",
    "Preparer",
    "RankWords",
    "Role",
    "Saved",
    "Unwrap",
    "Wrapper",
    "load_knowledge",
]
