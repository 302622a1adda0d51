"""CKPT305."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.key_edits import KeyEdit
from ckptlint.findings import Finding, Severity
from ckptlint.rules import key_cut
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnanchoredPrefixReplace(Rule):
    """A prefix is taken off keys with `replace`, which takes it out of the middle of names too.

    ## What it does
    Reports `k.replace("module.", "")`, and the like with any prefix, on the keys of a state dict, unless the key is
    known to begin with the prefix and only the first occurrence is replaced. It also reports replacements by another
    name where the text plainly stands for a prefix or is a bare word or number: `k.replace("3", "4")`. Tables that
    rename many parts from one model's names to another's are left alone.

    ## Why is this bad
    `replace` looks for the text everywhere in the key. `features.module.0.weight` becomes `features.0.weight`,
    `submodule.weight` becomes `subweight`, and loading fails:
    `Missing key(s) in state_dict: "features.module.0.weight"`. With `strict=False` the layer keeps its random weights
    and nothing is said. Looking at the first key, or at `"module." in k`, does not help.

    ## Example
    ```python
    state_dict = {k.replace("module.", ""): v for k, v in state_dict.items()}
    ```

    ## Use instead
    ```python
    state_dict = {k.removeprefix("module."): v for k, v in state_dict.items()}
    ```
    Or, in place, with the metadata kept:
    ```python
    consume_prefix_in_state_dict_if_present(state_dict, "module.")
    ```

    ## Fix safety
    The fix writes `removeprefix` (before Python 3.9, see `--target-version`, a conditional expression). It is unsafe:
    files of models wrapped twice, or in their inner parts, are read well by `replace`, and would no longer be.

    ## References
    - [str.removeprefix](https://docs.python.org/3/library/stdtypes.html#str.removeprefix)
    - [consume_prefix_in_state_dict_if_present](https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html)
    """

    code = "CKPT305"
    name = "unanchored-prefix-replace"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "unsafe"
    scans_keys = True

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a replacement."""
        for cut in key_cut.cuts(project, frozenset({"replace", "rename"})):
            yield key_cut.report(self, project, cut, _message(cut))


def _message(cut: KeyEdit) -> str:
    if cut.token is None:
        text = f"`{cut.label}`" if cut.label else "the text"
        return (
            f"this takes {text} out of the key wherever it stands, not only in front: "
            "names inside the model that contain it are damaged, and loading them fails with Missing key(s)"
        )
    before = _example(cut.token)
    after = before.replace(cut.token, cut.new)
    harm = f'"{before}" becomes "{after}", and loading fails: Missing key(s) in state_dict: "{before}"'
    if cut.kind == "rename":
        return f'this puts "{cut.new}" for every "{cut.token}", wherever in the key it stands: {harm}'
    if cut.once:
        return f'this takes out the first "{cut.token}" wherever it stands: in a file without the prefix, {harm}'
    if cut.looked:
        return f'the look at the front helps for one "{cut.token}", but this takes out all of them: {harm}'
    return f'this takes "{cut.token}" out of the key wherever it stands, not only in front: {harm}'


def _example(token: str) -> str:
    """A key with the text inside."""
    if token.rstrip(".").isdigit():
        return f"blocks.1{token.rstrip('.')}.weight"
    return f"features.{token}0.weight" if token.endswith(".") else f"sub{token}.weight"
