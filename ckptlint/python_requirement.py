"""The oldest Python that a project is for, as its own files say.

pyproject.toml: requires-python = ">=3.9"       py39
setup.py: python_requires=">=3.6, <4"           py36
nothing                                         not known: what is written has to run on any
"""

from __future__ import annotations

import re
from pathlib import Path

from ckptlint.project_files import texts

_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
_REQUIRED = re.compile(
    r"(?:\b(?:requires-python|python_requires)|^python)\s*=\s*[\"']?(?P<bounds>[^\"'\n#]+)", re.MULTILINE
)
_LOWEST = re.compile(r"(?:>=|~=|==|\^)\s*(\d+)\.(\d+)")


def oldest(root: Path) -> str | None:
    """As `target-version` says it, "py39"; None where no lower bound is given."""
    for text in texts(root, _FILES):
        for required in _REQUIRED.finditer(text):
            bound = _LOWEST.search(required["bounds"])
            if bound is not None:
                return f"py{bound[1]}{bound[2]}"
    return None
