"""How much speaks for it that a writer and a reader share a file: what the code shows of the path and of the model.

torch.save(..., f"{run}/best.pth")      torch.load("runs/1/best.pth")      the base names agree: 3
torch.save(net.state_dict(), path)      Net().load_state_dict(...)         the same class: 2
"""

from __future__ import annotations

import re

from ckptlint.analysis.values import Const, Opaque, Shape, Text, Value, alternatives

#: A constant name against another one speaks against a pair; the same class of the project still outweighs that, since
#: files are renamed: `best.pth` is `net_epoch_9.pth` under the name that the reader knows.
OTHER_NAME = -1
SAME_CLASS = 2
SAME_NAME = 2


def plain_symbol(symbol: str) -> str:
    """The symbol without what tells one occurrence from another."""
    return symbol.partition("@")[0]


def path_evidence(read: Value, written: Value) -> int | None:
    """How well two paths agree, None when they are plainly different files."""
    best: int | None = None
    for _, one in alternatives(read):
        for _, other in alternatives(written):
            score = _plain_path_evidence(one, other)
            if score is not None:
                best = score if best is None else max(best, score)
    return best


def _plain_path_evidence(read: Value, written: Value) -> int | None:
    one, other = _last_part(read), _last_part(written)
    if one is None or other is None:
        if (
            isinstance(read, Opaque)
            and isinstance(written, Opaque)
            and plain_symbol(read.symbol) == plain_symbol(written.symbol)
        ):
            return 2
        return 0
    if one == other:
        return 3 if any(isinstance(piece, str) for piece in one) else 2
    if _matches(one, other) or _matches(other, one):
        return 2 if _constant_length(one) + _constant_length(other) > 3 else 0
    return None


Pieces = tuple[str | Opaque, ...]


def _last_part(path: Value) -> Pieces | None:
    """The base name: what follows the last slash. None when nothing of it is known."""
    if isinstance(path, Const) and isinstance(path.value, str):
        return (path.value.rpartition("/")[2],)
    if not isinstance(path, Text):
        return None
    pieces: list[str | Opaque] = []
    for piece in reversed(path.parts):
        if isinstance(piece, str) and "/" in piece:
            pieces.append(piece.rpartition("/")[2])
            break
        pieces.append(Opaque(plain_symbol(piece.symbol)) if isinstance(piece, Opaque) else piece)
    found = tuple(piece for piece in reversed(pieces) if piece != "")
    return found if any(isinstance(piece, str) for piece in found) else None


def _matches(pattern: Pieces, name: Pieces) -> bool:
    """Whether a name with holes can be the other name."""
    expression = "".join(re.escape(piece) if isinstance(piece, str) else ".*" for piece in pattern)
    text = "".join(piece if isinstance(piece, str) else "0" for piece in name)
    return re.fullmatch(expression, text) is not None


def _constant_length(pieces: Pieces) -> int:
    return sum(len(piece) for piece in pieces if isinstance(piece, str))


def class_evidence(written: Shape, target: Shape) -> int | None:
    """How well the two modules agree, None when they are plainly of different kinds."""
    one, other = written.identity, target.identity
    if not one or not other:
        return 0
    if one == other:
        return SAME_CLASS if ":" in one or "." in one else 1
    if ":" in one and ":" in other:
        found = _inside_evidence(written, other)
        return found if found is not None else _inside_evidence(target, one)
    if one.startswith("torch.optim") or other.startswith("torch.optim"):
        return None
    return 0


def _inside_evidence(outer: Shape, inner: str) -> int | None:
    """Whether a module holds one of the class `inner`: FullModel(model, loss) is the model in another dress.

    A network that has the class as one part of many (a decoder and an encoder) makes nothing likely: the part may have
    weights of its own, brought from elsewhere.
    """
    inside = [child for _, child in outer.children if child.identity == inner]
    if not inside:
        return None
    others = [child for _, child in outer.children if child.identity != inner]
    return 1 if all(child.loss or (child.closed and not child.children and not child.tensor) for child in others) else 0


#: `shared_name`: the whole paths are one text.
WHOLE_PATH = 3

_SUFFIX = re.compile(r"\.\w+$")
_FEWEST_LETTERS = 4
_FEWEST_WORDS = 2


def shared_name(read: Value, written: Value) -> int:
    """How much of a name two paths have in common: 3 for a whole path that is known, 2 for the base name or an option,
    1 for a pattern of the base name, or the name of a variable.

    "runs/last.pth" and f"{out}/last.pth" have the base name in common, `args.resume` and `args.resume` the option,
    f"epoch_{n}.pth" and "epoch_9.pth" a pattern. A suffix alone is no name.
    """
    return max(_plain_shared_name(one, other) for _, one in alternatives(read) for _, other in alternatives(written))


def _plain_shared_name(read: Value, written: Value) -> int:
    if isinstance(read, Opaque) or isinstance(written, Opaque):
        if not isinstance(read, Opaque) or read != written:
            return 0
        return 2 if "." in plain_symbol(read.symbol) else 1
    one, other = _last_part(read), _last_part(written)
    if one is None or other is None:
        return 0
    if one == other and _letters(one) >= _FEWEST_LETTERS:
        return WHOLE_PATH if read == written else 2
    if (_matches(one, other) or _matches(other, one)) and min(_letters(one), _letters(other)) >= _FEWEST_LETTERS:
        return 1
    return 0


def _letters(pieces: Pieces) -> int:
    """How much of a base name is known, its suffix and digits left out."""
    known = "".join(piece for piece in pieces if isinstance(piece, str))
    return sum(1 for letter in _SUFFIX.sub("", known) if letter.isalpha())


def has_known_name(path: Value) -> bool:
    """Whether a base name is known, at least in part, in some case."""
    return any(_last_part(plain) is not None for _, plain in alternatives(path))


def options_alike(read: Value, written: Value) -> bool:
    """Whether the files are named by options of which one says more: `args.rgb_model_file` and `args.model_file`."""
    pairs = [(_option(one), _option(other)) for _, one in alternatives(read) for _, other in alternatives(written)]
    return any(_FEWEST_WORDS <= len(other) <= len(one) and one[-len(other) :] == other for one, other in pairs)


def _option(path: Value) -> list[str]:
    """The words of the option that a path ends with."""
    last = path.parts[-1] if isinstance(path, Text) and path.parts else path
    symbol = plain_symbol(last.symbol) if isinstance(last, Opaque) else ""
    return symbol.rpartition(".")[2].split("_") if re.fullmatch(r"[\w.]+", symbol) and "." in symbol else []
