"""Keys that lost their beginning: a prefix was cut off names that did not have it.

model  conv1.weight, layer1.0.bn1.weight     file's keys, after k[7:]                eight, 0.bn1.weight
                                             file's keys, after k.lstrip("module.")  conv1.weight, ayer1.0.bn1.weight
"""

from __future__ import annotations

from ckptlint.why.data import Remedy
from ckptlint.why.explanation import Said
from ckptlint.why.key_lists import KeyLists
from ckptlint.why.key_words import examples

_SHARE = 0.5
_MARKS = ("module.", "_orig_mod.", "model.", "state_dict.")

_MEND = Remedy(
    "Take a prefix off only where it is:",
    'state_dict = {key.removeprefix("module."): value for key, value in state_dict.items()}',
)


def cut_story(lists: KeyLists) -> Said | None:
    """What says that keys were cut; None when they were not."""
    missing, unexpected = set(lists.missing), set(lists.unexpected)
    if len(missing) < 2 or not unexpected:
        return None
    enough = max(1, _SHARE * len(unexpected))
    shown = examples(lists.unexpected)
    for mark in _MARKS:
        stripped = {key.lstrip(mark) for key in missing if not _whole_parts(key, key.lstrip(mark))} - missing
        if len(stripped & unexpected) >= enough:
            what = (
                f"The file's keys were cut by `lstrip({mark!r})` ({shown}): it takes off every letter of `{mark}` "
                "that a key begins with, not the prefix."
            )
            return Said((what,), (_MEND,), ("CKPT307",), "letters were stripped off the keys")
    for mark in _MARKS:
        length = len(mark)
        cut = {key[length:] for key in missing if not _whole_parts(key, key[length:])}
        if len(cut & unexpected) >= enough:
            what = (
                f"The file's keys have lost their first {length} characters ({shown}): code such as `key[{length}:]` "
                f"cuts off `{mark}` where there is none."
            )
            return Said((what,), (_MEND,), ("CKPT306",), "the beginning of the keys was cut off")
    return None


def _whole_parts(key: str, left: str) -> bool:
    """Whether what is left of a key begins where a part of it begins."""
    return not left or key == left or key.endswith(f".{left}")
