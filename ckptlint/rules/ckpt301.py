"""CKPT301."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.known_files import KnownPair
from ckptlint.analysis.pairs import Meeting, Pair
from ckptlint.analysis.pickled import PickledPair
from ckptlint.analysis.values import Site
from ckptlint.analysis.words import condition, conditions, load_error
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import mend
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnguardedStrictLoad(Rule):
    """A load will meet a file whose keys its model does not have.

    ## What it does
    Pairs every `load_state_dict` with the places in the project that write the file, and compares the keys: prefixes of
    wrappers on either side, and tensors of losses. Reports the load when keys can differ: always (an error), or in some
    configuration, such as another number of GPUs (a warning). Weights from a URL or a hub are not judged, and neither
    are loads that look at the prefix first, or try again. With `--checkpoint runs/best.pth` the real keys of that file
    are held against the loads of this path.

    ## Why is this bad
    A strict load raises: `Missing key(s) in state_dict: ... Unexpected key(s) in state_dict: "module.conv1.weight"`.
    Under `strict=False` it is worse: nothing matches, nothing is loaded, nothing is said.

    ## Example
    ```python
    # train.py
    model = nn.DataParallel(model)
    torch.save(model.state_dict(), "model.pth")

    # test.py
    model = Net()
    model.load_state_dict(torch.load("model.pth"))
    ```

    ## Use instead
    ```python
    state_dict = torch.load("model.pth")
    consume_prefix_in_state_dict_if_present(state_dict, "module.")
    model.load_state_dict(state_dict)
    ```

    ## Fix safety
    The fix strips the prefix from the file's keys and loads into the unwrapped model, so that files with and without it
    load on one GPU and on many. It is unsafe where the state dict is used in other ways too.

    ## References
    - [consume_prefix_in_state_dict_if_present](https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html)
    """

    code = "CKPT301"
    name = "unguarded-strict-load"
    since = "0.1.0"
    severity = Severity.WARNING
    fixable = "both"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a load."""
        by_site: dict[Site, list[Pair]] = {}
        attempts: dict[Site, list[Pair]] = {}
        for pair in project.pairs:
            for site in pair.reader.after:
                attempts.setdefault(site, []).append(pair)
        for pair in project.pairs:
            next_try = attempts.get(pair.reader.site, [])
            # A handler that tries again is a remedy, unless it asks for another entry and that always fails. Where it
            # tries the same keys once more in vain, the program stops there, and it is said there.
            in_vain = bool(next_try) and all(self._is_elsewhere(pair, one) for one in next_try)
            if not pair.reader.handled or in_vain:
                by_site.setdefault(pair.reader.site, []).append(pair)
        known: dict[Site, KnownPair] = {}
        for one in project.known_pairs:
            if self._failing(one.pair) and not one.pair.reader.handled:
                known.setdefault(one.pair.reader.site, one)
        for site, held in known.items():
            yield self._known(project, site, held)
        for site, pairs in by_site.items():
            if site in known:  # the file itself says more than the code that writes it
                continue
            failing = [pair for pair in pairs if self._failing(pair)]
            if failing:
                yield self._finding(project, site, pairs, failing)
        for site, pickled in {pair.reader.site: pair for pair in project.pickled}.items():
            yield self._pickled(project, site, pickled)

    def _known(self, project: Project, site: Site, known: KnownPair) -> Finding:
        """A file that was given with its keys: what is said of it is no guess."""
        pair = known.pair
        meetings = self._failing(pair)
        error = load_error(meetings[0].fit.missing, meetings[0].fit.unexpected)
        silent = pair.reader.strict is False or meetings[0].fit.reason == "merged"
        what = "restores nothing and says nothing" if silent else "fails"
        reading = condition(
            [one.reader_guard for one in meetings], [one.reader_guard for one in pair.meetings if one not in meetings]
        )
        when = f" when it is read with {reading}" if reading and not pair.always else ""
        place = project.place(site)
        read = project.place(known.load.site)
        return Finding(
            code=self.code,
            name=self.name,
            message=f"loading {known.file.shown} here {what}{when}: {error}".rstrip(": "),
            severity=Severity.ERROR if pair.always else Severity.WARNING,
            confidence=Confidence.HIGH,
            place=place,
            statement=project.statement(site),
            related=(Related(read, f"{known.file.shown} is read here"),) if read != place else (),
            fix=mend.fix(project, site),
        )

    def _pickled(self, project: Project, site: Site, pair: PickledPair) -> Finding:
        attribute = pair.reader.attribute
        how = "always" if pair.always else "also"
        return Finding(
            code=self.code,
            name=self.name,
            message=(
                f"the file that is loaded here {how} holds a model that is not wrapped, and this stops with "
                f"AttributeError: object has no attribute '{attribute}'"
            ),
            severity=Severity.ERROR if pair.always else Severity.WARNING,
            confidence=Confidence.MEDIUM,
            place=project.place(site),
            statement=project.statement(site),
            related=(Related(project.place(pair.writer.site), "the model is written here, as it is"),),
        )

    @classmethod
    def _is_elsewhere(cls, pair: Pair, later: Pair) -> bool:
        """Whether a later attempt asks for another entry of the file, and always fails."""
        entries = {one.content.entry for one in pair.meetings}
        return (
            later.always
            and bool(cls._failing(later))
            and entries.isdisjoint(one.content.entry for one in later.meetings)
        )

    @staticmethod
    def _failing(pair: Pair) -> list[Meeting]:
        """The cases that raise, or under strict=False restore nothing."""
        if pair.reader.strict is False:
            return [meeting for meeting in pair.differs if meeting.fit.nothing]
        return pair.differs

    def _finding(self, project: Project, site: Site, pairs: list[Pair], failing: list[Pair]) -> Finding:
        pair = failing[0]
        meetings = self._failing(pair)
        meeting = meetings[0]
        always = all(one.always and len(self._failing(one)) == len(one.meetings) for one in pairs)
        error = load_error(meeting.fit.missing, meeting.fit.unexpected, (meeting.target.prefix, meeting.content.prefix))
        if meeting.fit.reason == "merged":
            error = "none of its keys is one of the model's, and what is not is left out"
        others = [other for one in pairs for other in one.meetings if other not in self._failing(one)]
        message = self._message(pair, meetings, others, error, always=always)
        place = project.place(site)
        related: list[Related] = []
        for one in failing[:3]:
            if one.writer is not None:
                related.append(Related(project.place(one.origin), "the file's keys come from this state dict"))
                related.append(Related(project.place(one.writer.site), "and are written here"))
            else:
                related.append(Related(project.place(one.origin), "the keys come from this state dict"))
        for mark in {mark for one in failing[:3] for m in self._failing(one) for mark in m.target.wrappers}:
            if mark.site is not None:
                related.append(Related(project.place(mark.site), f"the model is wrapped in {mark.wrapper} here"))
        return Finding(
            code=self.code,
            name=self.name,
            message=message,
            severity=Severity.ERROR if always else Severity.WARNING,
            confidence=Confidence.HIGH if pair.evidence >= 4 else Confidence.MEDIUM,
            place=place,
            statement=project.statement(site),
            related=tuple(sorted({one.place: one for one in related if one.place != place}.values())),
            fix=mend.fix(project, site),
        )

    @staticmethod
    def _message(pair: Pair, meetings: list[Meeting], others: list[Meeting], error: str, *, always: bool) -> str:
        silent = pair.reader.strict is False or meetings[0].fit.reason == "merged"
        what = "restores nothing and says nothing" if silent else "fails"
        source = "the file" if pair.writer is not None else "this state dict"
        if always:
            return f"loading {source} here always {what}: {error}"
        cases = [[(one.writer_guard, one.reader_guard) for one in group] for group in (meetings, others)]
        writing, reading = conditions(*cases)
        if pair.writer is None:
            reading = condition([one.reader_guard for one in meetings], [one.reader_guard for one in others])
            when = f" when {reading}" if reading else " in some configurations"
            return f"loading this state dict here {what}{when}: {error}"
        said = [f"it was written with {writing}"] if writing else []
        said += [f"it is read with {reading}"] if reading else []
        when = " when " + " and ".join(said) if said else " in some configurations"
        return f"loading the file here {what}{when}: {error}"
