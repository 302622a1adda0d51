"""Which units are worth a run of their own, and which files are scripts: by their text alone.

    def save(self): torch.save(self.net.state_dict(), "x")      marked: it saves
    def parse(line): return re.compile("a+").match(line)        not marked: a regular expression

A unit is marked when one of `MARKERS` stands in its code; comments and strings do not count. What is not marked is run
too, but only when a marked unit, or what calls one, runs into it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

import msgspec

from ckptlint.facts.lines import code_only
from ckptlint.facts.store import FactStore
from ckptlint.facts.units import UnitHeader
from ckptlint.prefilter import Marker, any_marker, rows_of
from ckptlint.project.callers import called_names, joined
from ckptlint.source import UnreadableSource

MARKERS: tuple[Marker, ...] = (
    Marker(
        b"state_dict",
        "takes or loads a state dict; who takes it for its keys or has a parameter of that name does not",
        re.compile(
            # the literal comes first: a pattern that begins with \\w* looks at every word of the file
            rb"state_dict(?:(?<=\.state_dict)\b(?!\(\)(?:\.keys\(\)|\.values\(\)|\[)|\s+import)"
            rb"|(?<=\.load_state_dict)\b|(?<!def load_state_dict)(?<!def state_dict)(?<!\.state_dict)"
            rb"(?<!_load_from_state_dict)(?<!_save_to_state_dict)\()"
        ),
    ),
    Marker(b"torch.save", "writes a file"),
    Marker(b"torch.load", "reads a file"),
    Marker(b"DataParallel", "wraps", re.compile(rb"DataParallel\b")),
    Marker(
        b"compile(",
        "wraps; re.compile does not",
        re.compile(rb"(?<![\w.])compile\(|(?<!\bre)(?<!\bregex)\.compile\("),
    ),
    Marker(b".prepare(", "wraps with accelerate"),
    Marker(b"_orig_mod", "knows the prefix of torch.compile"),
    Marker(b"FullySharded", "wraps"),
    Marker(b".module", "unwraps", re.compile(rb"(?<!\bself)\.module\b(?!\s*=[^=]|\()")),
    Marker(b"save_checkpoint", "saves by a helper", re.compile(rb"(?<!def )\bsave_checkpoint\b")),
    Marker(b"load_checkpoint", "loads by a helper", re.compile(rb"(?<!def )\bload_checkpoint\b")),
    Marker(b"AveragedModel", "wraps"),
    Marker(b"deepspeed", "wraps with DeepSpeed", re.compile(rb"\bdeepspeed\.initialize\b")),
    Marker(b"fabric.", "wraps, saves or loads with Lightning Fabric"),
    Marker(b".save(", "writes a file", re.compile(rb"(?<!\bnp)(?<!\bnumpy)\.save\(")),
)

_FRAMEWORK = (
    Marker(b"LightningModule", "Lightning saves it", re.compile(rb"\bLightningModule\b")),
    Marker(b"META_ARCH_REGISTRY", "detectron2 saves it", re.compile(rb"\bMETA_ARCH_REGISTRY\b")),
)
_LOSS = tuple(Marker(text, "a loss is made or named") for text in (b"Loss(", b"loss(", b"Criterion", b"criterion"))
_MAIN = re.compile(rb"\nif __name__\b")
_REGISTERS = re.compile(rb"\n(?:@[\w.]*\(|@\w*regist|[A-Za-z_][\w.]*\s*[(\[])")
_ACTS = re.compile(
    rb"\n(?:(?:if|for|while|with)\b|[a-zA-Z_][\w.]*(?:\[[^\]\n]*\][\w.]*)*\s*\(|try:\s*\n\s+(?!import\b|from\b)\w)"
)
#: `self.layers = [Block(...) for ...]`, `self.heads = {"cls": Head(...)}`, and `self.layers = []`
_HIDES = re.compile(rb"self\.(\w+)\s*=\s*(?:\[|\{\s*[\"']\w+[\"']\s*:)\s*(?:(?:\w+\.)*[A-Z]\w*\(|\])")
_FILLS = rb"self\.%b\.append\(\s*(?:\w+\.)*[A-Z]\w*\("
_SHOWS = rb"add_module|setattr\(self|(?:List|Dict|Sequential)\(\*?self\.%b\b"


class Glance(msgspec.Struct, frozen=True):
    """What one look at the bytes of a file tells; a big project's files are not read twice for it.

    `called` are the words before a "(", see `callers`; `registers` and `acts` speak of what happens at its import.
    """

    marked: bool
    main: bool
    acts: bool
    registers: bool
    framework: bool
    loss: bool
    hides: bool
    called: bytes


_NOTHING = Glance(
    marked=False, main=False, acts=False, registers=False, framework=False, loss=False, hides=False, called=b""
)


class Candidates:
    """The marked units and the scripts of a project."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self._units: dict[str, dict[int, UnitHeader]] = {}
        self._glances: dict[str, Glance] = {}

    def glance(self, file: str) -> Glance:
        """What a look at a file tells; nothing when it cannot be read."""
        known = self._glances.get(file)
        if known is None:
            known = self._glances[file] = self._glance(file)
        return known

    def _glance(self, file: str) -> Glance:
        try:
            data = self._store.data(file)
        except UnreadableSource:
            return _NOTHING
        led = b"\n" + data
        return Glance(
            marked=any_marker(data, MARKERS),
            main=_MAIN.search(led) is not None,
            acts=_ACTS.search(led) is not None,
            registers=_REGISTERS.search(led) is not None,
            framework=any_marker(data, _FRAMEWORK),
            loss=any_marker(data, _LOSS),
            hides=b"Module" in data and _HIDES.search(data) is not None,
            called=joined(called_names(data)),
        )

    def called(self, file: str) -> bytes:
        """The words before a "(", see `callers`."""
        return self.glance(file).called

    def may_hold_units(self, file: str) -> bool:
        """Whether a marker stands anywhere in the file."""
        return self.glance(file).marked

    def units(self, file: str) -> dict[int, UnitHeader]:
        """The marked units of a file by number, without its skeleton; none when it cannot be read."""
        known = self._units.get(file)
        if known is None:
            known = self._units[file] = self._marked_units(file)
        return known

    def is_marked(self, file: str, unit: int) -> bool:
        """Whether a unit is marked."""
        return unit in self.units(file)

    def is_script(self, file: str, names: frozenset[bytes]) -> bool:
        """Whether the file does something when it is run that has to do with marked units, whose names are given.

        It does something when it has a main block, or a loop, a branch or a call at module level; that it has to do
        with them is seen by a marker, or by a call of such a name: anywhere in a file with a main block, else at
        module level. A library does much at its import, but takes no checkpoints to do so.
        """
        glance = self.glance(file)
        if not (glance.main or glance.acts):
            return False
        calls_one = glance.marked or not names.isdisjoint(glance.called.split(b"("))
        if glance.main or not (glance.acts and calls_one):
            return glance.main and calls_one
        code = self._module_level(file)
        return any_marker(code, MARKERS) or not names.isdisjoint(called_names(code))

    def _module_level(self, file: str) -> bytes:
        """The code that stands in no function."""
        try:
            headers = self._store.headers(file)
            rows = code_only(self._store.source(file).text).split("\n")
        except UnreadableSource:
            return b""
        for header in headers[1:]:
            rows[header.first_row - 1 : header.last_row] = [""] * (header.last_row - header.first_row + 1)
        return "\n".join(rows).encode()

    def mentions(self, file: str, names: Iterable[bytes]) -> bool:
        """Whether one of the names stands in the file."""
        data = self._data(file)
        return any(name in data for name in names)

    def registers(self, file: str, home: bytes) -> bool:
        """Whether the file, at its import, may put something into a container of the module of that name."""
        return self.glance(file).registers and home in self._data(file)

    def names_framework(self, file: str) -> bool:
        """Whether a class may stand in the file that a framework saves by itself."""
        return self.glance(file).framework

    def may_hold_loss(self, file: str) -> bool:
        """Whether a loss may be made in the file."""
        return self.glance(file).loss

    def hiding_units(self, file: str) -> dict[int, UnitHeader]:
        """The methods of a file in which modules may be put into a plain container, see `unregistered`: lists of what
        classes make, and empty ones that get such things appended, that nothing in the file registers."""
        if not self.glance(file).hides:
            return {}
        data = self._data(file)
        names = {match.group(1) for match in _HIDES.finditer(data) if _hides(data, match)}
        markers = (
            Marker(b"self." + name, "hides", re.compile(rb"self\.%b\s*=\s*[\[{]" % name)) for name in sorted(names)
        )
        return self._marked_units(file, tuple(markers)) if names else {}

    def _marked_units(self, file: str, markers: tuple[Marker, ...] = MARKERS) -> dict[int, UnitHeader]:
        if not any_marker(self._data(file), markers):
            return {}
        try:
            headers = self._store.headers(file)
            data = code_only(self._store.source(file).text).encode()
        except UnreadableSource:
            return {}
        starts = [header.first_row for header in headers[1:]]
        found = {}
        for row in rows_of(data, markers):
            header = headers[bisect_right(starts, row)]
            if header.index and row <= header.last_row and (row > header.row or row == header.last_row):
                found[header.index] = header
        return dict(sorted(found.items()))

    def _data(self, file: str) -> bytes:
        try:
            return self._store.data(file)
        except UnreadableSource:
            return b""


def _hides(data: bytes, match: re.Match[bytes]) -> bool:
    """Whether a list that begins there seems to be filled with modules and registered by nothing in the file."""
    name = match.group(1)
    filled = not match.group(0).endswith(b"]") or re.search(_FILLS % name, data) is not None
    return filled and re.search(_SHOWS % name, data) is None
