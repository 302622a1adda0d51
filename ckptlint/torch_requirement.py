"""The version of torch that a project requires, as its own files say.

    requirements.txt: torch==1.13.1           1.13
    pyproject.toml: "torch>=2.6,<3"           2.6
    environment.yml: pytorch=2.1              2.1
    setup.py: "torch>=1.8"                    not known: any version since

Only what settles on which side of torch 2.6 the project is gives an answer, since that is what is asked for. What a
fix may use is another question: `oldest_allowed` is the oldest version that the project says it runs on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ckptlint.project_files import texts

_FILES = ("requirements*.txt", "requirements/*.txt", "pyproject.toml", "setup.cfg", "setup.py", "environment*.y*ml")
_REQUIREMENT = re.compile(
    r"(?<![\w.-])(?:py)?torch\s*(?:=\s*[\"'])?(?P<bounds>(?:\s*,?\s*(?:==?=?|>=|<=|<|>|~=|\^)\s*\d[\w.*+]*)+)"
)
_BOUND = re.compile(r"(==?=?|>=|<=|<|>|~=|\^)\s*(\d+)(?:\.(\d+))?")
_LIMIT = (2, 6)


def required(root: Path) -> str | None:
    """The version, "2.1"; None where it is not said, or can be on either side of 2.6."""
    found = {version for text in texts(root, _FILES) for version in _versions(text)}
    sides = {version is not None and version >= _LIMIT for version in found}
    known = sorted(version for version in found if version is not None)
    if not known or len(known) < len(found) or len(sides) > 1:
        return None
    return f"{known[0][0]}.{known[0][1]}"


def oldest_allowed(root: Path) -> str | None:
    """The oldest version that a requirement allows, "1.4" for `torch>=1.4`; None where none sets a bound."""
    found = [low if low > (0, 0) else high for text in texts(root, _FILES) for low, high in _ranges(text)]
    return f"{min(found)[0]}.{min(found)[1]}" if found else None


def _versions(text: str) -> Iterator[tuple[int, int] | None]:
    """What each requirement settles: a version on the same side of 2.6 as all that it allows, else None."""
    for low, high in _ranges(text):
        yield low if low >= _LIMIT else high if high < _LIMIT else None


def _ranges(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The oldest and the newest version of each requirement that sets a bound: 0.0 and 99.0 where there is none."""
    for requirement in _REQUIREMENT.finditer(text):
        low, high = (0, 0), (99, 0)
        for operator, major, minor in _BOUND.findall(requirement["bounds"]):
            version = (int(major), int(minor or 0))
            if operator in ("==", "=", "===") or (operator == "~=" and minor):
                low, high = version, version
            elif operator == "<":
                high = min(high, _before(version))
            elif operator == "<=":
                high = min(high, version)
            else:
                low = max(low, version)
        yield low, high


def _before(version: tuple[int, int]) -> tuple[int, int]:
    major, minor = version
    return (major, minor - 1) if minor else (major - 1, 99)
