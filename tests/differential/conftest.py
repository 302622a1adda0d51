from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from .sandbox import Sandbox


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warm = Sandbox()
    yield warm
    warm.close()
