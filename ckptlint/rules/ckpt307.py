"""CKPT307."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.key_edits import KeyEdit
from ckptlint.findings import Finding, Severity
from ckptlint.rules import key_cut
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

_NAMES = ("decoder", "encoder", "model", "layer1", "head", "backbone", "features", "conv1", "bn1", "fc", "transformer")


class StripAsPrefix(Rule):
    """`lstrip` is used to take off a prefix, but it takes off letters.

    ## What it does
    Reports `k.lstrip("module.")` and `k.strip("module.")`, with any text that is meant as a prefix, on the keys of a
    state dict.

    ## Why is this bad
    The argument of `lstrip` is a set of characters, not a text. Every leading `m`, `o`, `d`, `u`, `l`, `e` and `.` is
    taken off, so `module.decoder.weight` becomes `coder.weight`, and even a key without the prefix is damaged. Loading
    fails: `Missing key(s) in state_dict: "decoder.weight"`. Names that happen to begin with another letter hide it.

    ## Example
    ```python
    state_dict = {k.lstrip("module."): v for k, v in state_dict.items()}
    ```

    ## Use instead
    ```python
    state_dict = {k.removeprefix("module."): v for k, v in state_dict.items()}
    ```

    ## Fix safety
    The fix writes `removeprefix` (before Python 3.9, see `--target-version`, a conditional expression). It is safe.

    ## References
    - [str.lstrip](https://docs.python.org/3/library/stdtypes.html#str.lstrip)
    - [str.removeprefix](https://docs.python.org/3/library/stdtypes.html#str.removeprefix)
    """

    code = "CKPT307"
    name = "strip-as-prefix"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "safe"
    scans_keys = True

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a strip."""
        for cut in key_cut.cuts(project, frozenset({"strip"})):
            yield key_cut.report(self, project, cut, _message(cut))


def _message(cut: KeyEdit) -> str:
    method = "lstrip" if cut.label == "lstrip" else "strip"
    start = f"`{method}` takes off letters, not a prefix: "
    if cut.token is None:
        return start + "names of the model that begin with one of these letters lose it, and loading them fails"
    for name in _NAMES:
        key = f"{name}.weight"
        left = getattr(cut.token + key, method)(cut.token)
        if left != key:
            return (
                f'{start}"{cut.token}{key}" becomes "{left}", and loading fails: Missing key(s) in state_dict: "{key}"'
            )
    return start + f'every leading character that occurs in "{cut.token}" goes'
