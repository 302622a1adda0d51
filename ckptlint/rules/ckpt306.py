"""CKPT306."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.key_edits import KeyEdit
from ckptlint.findings import Finding, Severity
from ckptlint.rules import key_cut
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

_EXAMPLE = "backbone.conv1.weight"


class UncheckedPrefixSlice(Rule):
    """The beginning of every key is cut off without a look at what it is.

    ## What it does
    Reports `k[7:]`, `k[len("module."):]`, `".".join(k.split(".")[1:])`, `k.split(".", 1)[1]`, `k.partition(".")[2]` and
    their kin on the keys of a state dict, where nothing has looked at the beginning: no `startswith`, no comparison of
    the first characters or the first name, for this key, for all keys or at least for the first one. `"module" in k` is
    no such look.

    ## Why is this bad
    It works for files with the prefix only. A file that was saved without the wrapper, by another number of GPUs or
    after the saving was mended, loses the beginnings of its own names: `conv1.weight` becomes `eight`. Loading fails:
    `Missing key(s) in state_dict: "conv1.weight" ... Unexpected key(s) in state_dict: "eight"`. With `strict=False`, or
    where only keys that the model knows are kept, nothing is loaded and nothing is said.

    ## Example
    ```python
    state_dict = {k[7:]: v for k, v in state_dict.items()}
    ```

    ## Use instead
    ```python
    state_dict = {k.removeprefix("module."): v for k, v in state_dict.items()}
    ```

    ## Fix safety
    The fix writes `removeprefix` (before Python 3.9, see `--target-version`, a conditional expression). It is safe
    where the code names the prefix, as `len("module.")` or in a comment beside it, and the prefix is a wrapper's, which
    is on all keys of a file or on none. It is unsafe for a bare number and for other prefixes, and there is none for
    `split`, for then the code does not say what it takes off.

    ## References
    - [str.removeprefix](https://docs.python.org/3/library/stdtypes.html#str.removeprefix)
    - [consume_prefix_in_state_dict_if_present](https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html)
    """

    code = "CKPT306"
    name = "unchecked-prefix-slice"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "both"
    scans_keys = True

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a cut."""
        for cut in key_cut.cuts(project, frozenset({"slice", "split"})):
            yield key_cut.report(self, project, cut, _message(cut))


def _message(cut: KeyEdit) -> str:
    result = "Loading such a file fails with Missing key(s) in state_dict, or under strict=False loads nothing"
    if cut.kind == "split" and cut.token:
        before = f"features.{cut.token}0.weight"
        return (
            f'everything up to "{cut.token}" is cut off, wherever it stands, and nothing looks whether the key begins '
            f'with it: "{before}" becomes "0.weight". {result}'
        )
    if cut.kind == "split":
        return (
            f"the first name is cut off every key, whatever it is: in a file that was saved without a prefix "
            f'"conv1.weight" becomes "weight". {result}'
        )
    if cut.length is None:
        by = f"as many characters as `{cut.label}` has are" if cut.label else "a number of characters is"
        return (
            f"{by} cut off every key, and nothing looks whether the key begins with the prefix: a file without it "
            f"loses the beginnings of its own names. {result}"
        )
    if cut.asked and cut.token:
        return (
            f"{cut.length} characters are cut off the keys that pass the test here, and nothing looks whether they "
            f'begin with "{cut.token}": a key that has it further inside loses the beginning of its own name. {result}'
        )
    name = "conv1.weight" if cut.length < len("conv1.weight") else _EXAMPLE
    what = f' and nothing looks whether they are "{cut.token}"' if cut.token else " whatever they are"
    return (
        f"{cut.length} characters are cut off every key,{what}: in a file that was saved without the prefix "
        f'"{name}" becomes "{name[cut.length :]}". {result}'
    )
