"""CKPT402."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.formats import ENTRIES, MODULE, STATE_DICT, Mismatch
from ckptlint.analysis.values import Site
from ckptlint.analysis.words import key_list
from ckptlint.findings import Confidence, Finding, Place, Related, Severity
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

_TAKEN_FOR = {ENTRIES: "a dict of entries", STATE_DICT: "a bare state dict", MODULE: "a whole model"}


class FormatMismatch(Rule):
    """A checkpoint is written in one format and read in another.

    ## What it does
    There are three usual formats: a bare state dict, a dict of entries with the state dict in one of them, and the
    pickled model itself. The rule pairs every `torch.load` with the places in the project that write the file, by the
    path and the model, and reports both ends where the reader takes the file for something that none of its writers
    writes. Readers that look at the file first (`"model" in checkpoint`, `isinstance`) or catch the failure are not
    reported.

    ## Why is this bad
    The load always fails: `Unexpected key(s) in state_dict: "epoch", "model"`, `KeyError: 'model'`, or `AttributeError:
    'collections.OrderedDict' object has no attribute 'eval'`. Under `strict=False` a dict of entries is worse: nothing
    in it has the name of a parameter, so nothing is loaded, and nothing is said.

    ## Example
    ```python
    torch.save({"epoch": epoch, "model": model.state_dict()}, "last.pth")
    ...
    model.load_state_dict(torch.load("last.pth"))
    ```

    ## Use instead
    ```python
    model.load_state_dict(torch.load("last.pth")["model"])
    ```

    ## Fix safety
    There is no fix: which of the two formats is meant, and which files exist already, is for you to say.

    ## References
    - [Saving and loading models](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html)
    """

    code = "CKPT402"
    name = "format-mismatch"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "none"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a reader, and one a writer."""
        readers: dict[Site, list[Mismatch]] = {}
        writers: dict[Site, list[Mismatch]] = {}
        for one in project.mismatches:
            if one.wants != one.has:
                readers.setdefault(_reader(one), []).append(one)
        for site, found in _first_of_each_load(project, readers).items():
            yield self._at_reader(project, site, found)
            for one in found:
                for save in one.writers:
                    writers.setdefault(save.site, []).append(one)
        for site, found in writers.items():
            yield self._at_writer(project, site, found)

    def _at_reader(self, project: Project, site: Site, found: list[Mismatch]) -> Finding:
        one = found[0]
        written = dict.fromkeys(project.place(save.site) for each in found for save in each.writers)
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"{one.known or 'the file'} is taken for {_TAKEN_FOR[one.wants]} here, but it is "
                f"{'' if one.known else 'written as '}{_described(one)}: "
                f"{_consequence(one)}{_remedy(one)}"
            ),
            severity=self.severity,
            confidence=_confidence(found),
            place=project.place(site),
            statement=project.statement(site),
            related=tuple(sorted(Related(place, "the file is written here") for place in list(written)[:3])),
        )

    def _at_writer(self, project: Project, site: Site, found: list[Mismatch]) -> Finding:
        one = found[0]
        read = dict.fromkeys(project.place(_reader(each)) for each in found)
        first = next(iter(read))
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"this writes {_described(one)}, but {first.path}:{first.span.start.row} takes the file for "
                f"{_TAKEN_FOR[one.wants]}: {_consequence(one)}"
            ),
            severity=self.severity,
            confidence=_confidence(found),
            place=project.place(site),
            statement=project.statement(site),
            related=tuple(sorted(Related(place, "the file is read here") for place in list(read)[:3])),
        )


def _reader(one: Mismatch) -> Site:
    """Where the reader is reported: where a state dict or an entry is wanted, or where a model is loaded."""
    return one.loaded if one.wants == MODULE else one.use.site


def _first_of_each_load(project: Project, readers: dict[Site, list[Mismatch]]) -> dict[Site, list[Mismatch]]:
    """Of all that fails with what one load gave, the first: the program does not get any further."""
    order: dict[Site, list[tuple[bool, Place, Site]]] = {}
    for site, found in readers.items():
        for loaded in {one.loaded for one in found}:
            order.setdefault(loaded, []).append((site.file != loaded.file, project.place(site), site))
    kept = {min(places)[2] for places in order.values()}
    return {site: found for site, found in readers.items() if site in kept}


def _described(one: Mismatch) -> str:
    if one.has != ENTRIES:
        return _TAKEN_FOR[one.has]
    return f"a dict with the {'entry' if len(one.names) == 1 else 'entries'} {key_list(one.names, 4)}"


def _consequence(one: Mismatch) -> str:
    """What torch or Python says."""
    if one.wants == STATE_DICT:
        if one.has == MODULE:
            return "TypeError: Expected state_dict to be dict-like"
        if one.strict is False:
            return "no entry has the name of a parameter, so nothing is loaded and nothing is said"
        return f"Unexpected key(s) in state_dict: {key_list(one.names)}"
    if one.wants == ENTRIES:
        return f"KeyError: '{one.use.name}'" if one.has == STATE_DICT else "TypeError: object is not subscriptable"
    kind = "collections.OrderedDict" if one.has == STATE_DICT else "dict"
    if one.use.name == "__call__":
        return f"TypeError: '{kind}' object is not callable"
    return f"AttributeError: '{kind}' object has no attribute '{one.use.name}'"


def _remedy(one: Mismatch) -> str:
    """What to do at the reader."""
    if one.wants == STATE_DICT and len(one.weights) == 1:
        return f'; the weights are in its entry "{one.weights[0]}"'
    if one.wants == MODULE and one.has == STATE_DICT:
        return "; make the model first, and load the file into it with load_state_dict"
    return "; the file itself is the state dict" if one.wants == ENTRIES and one.has == STATE_DICT else ""


def _confidence(found: list[Mismatch]) -> Confidence:
    surely = max(one.surely for one in found)
    return Confidence.HIGH if surely > 2 else Confidence.MEDIUM if surely > 1 else Confidence.LOW
