"""What ckptlint must say about a project, and what it must not, by what torch did.

Demands (a finding that must stand, else a *miss*)
    load      a script ends in the error of a `load_state_dict`: CKPT301 on a row of that call (or of a first try when
              the load that failed is a retry). A more particular rule counts too, on its own line, where it explains
              what torch said: CKPT305, 306, 307 on the key expression when it damaged names (torch complains of a name
              that the file has in no form), CKPT304 on the filter when it left keys out, CKPT401 and 402 on the load,
              CKPT201 on the registration when every key that torch complained of belongs to a loss.
    silent    a load from a file raises nothing and restores nothing, though the file's values differ from the model's:
              the same, and CKPT303 on the load.
    attribute a script ends because an unwrapped model has no attribute `module`: CKPT106 on that line. (`_orig_mod` is
              no business of CKPT106, so nothing is demanded there.)
    prefix    a key in a saved file carries the segment of DataParallel or DistributedDataParallel (or a kin of them):
              CKPT101 on the `.state_dict()` call that it came from. By the keys alone: it does not matter whether this
              project's reader can cope. The same for torch.compile and CKPT102; with both in one key, one of them does.
    loss      a key in a saved file is the weight of a loss: CKPT201 on the line that registers the loss.

Permissions (a finding that claims otherwise is a *false alarm*)
    CKPT301   on a load that ran: only if, in some setting, it raised for good, restored nothing, or restored only part.
    CKPT101, CKPT102   only on a `.state_dict()` call that gave such a key to a file.
    CKPT106   only on a line that raised for lack of an attribute in some setting.
    CKPT201   only if a key of a loss got into a file.
    Code that was not reached because its script ended early is judged by nothing; code that was not reached although
    every script came to its end is dead, and a claim about it is false. AveragedModel's `module.` is neither demanded
    nor forbidden as CKPT101. Other rules are not judged.

A *setting* is every combination of the writer's flags and the reader's flags: see `project`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .project import Project
from .records import Evidence, Load, Run, SavedKey, Site

JUDGED = frozenset({"CKPT101", "CKPT102", "CKPT106", "CKPT201", "CKPT301"})
PREFIX_KINDS = {"CKPT101": frozenset({"dp", "ddp"}), "CKPT102": frozenset({"compile"})}
Line = tuple[str, int]


class Demand(msgspec.Struct, frozen=True):
    """One of these (code, path, row) must be found. `rule` is the code that a miss is counted under."""

    kind: str
    rule: str
    accepted: frozenset[tuple[str, str, int]]
    detail: str


def rows_of(site: Site) -> frozenset[Line]:
    return frozenset((site.path, row) for row in range(site.row, site.end_row + 1))


def final_loads(run: Run) -> Iterator[Load]:
    """The loads of a run whose result counts: not those that raised and were caught."""
    last = run.outcome.loads[-1:] if run.outcome.failure and run.outcome.failure.kind == "load" else ()
    yield from (load for load in run.outcome.loads if not load.raised or load in last)


def is_silent(load: Load) -> bool:
    return load.from_file and not load.raised and load.total > 0 and load.restored == 0


def is_left_out(project: Project, load: Load) -> bool:
    """A filter left nothing of the file, so that no tensor of a file came to the load at all."""
    return bool(project.marked("filter")) and not load.from_file and load.restored == 0 < load.total


def is_partial(load: Load) -> bool:
    return load.from_file and not load.raised and 0 < load.restored < load.total


def saved_keys(evidence: Evidence) -> Iterator[SavedKey]:
    for run in evidence.runs:
        for save in run.outcome.saves:
            yield from save.keys


def loss_keys(evidence: Evidence) -> frozenset[str]:
    """The names of losses' weights in the files, as they are there, with and without wrappers' segments."""
    names = {key.name for key in saved_keys(evidence) if key.loss}
    return frozenset(names | {name.replace("module.", "").replace("_orig_mod.", "") for name in names})


def forms_of_keys(evidence: Evidence) -> frozenset[str]:
    """Every saved key as it is in the file, bare, and with some of its leading wrapper segments taken off."""
    forms = set()
    for key in saved_keys(evidence):
        segments = key.name.split(".")
        forms |= {key.name, key.bare, *(".".join(segments[n:]) for n in range(len(key.wrappers) + 1))}
    return frozenset(forms)


def demands_of(project: Project, evidence: Evidence) -> tuple[Demand, ...]:
    """Everything that must be found, once per place and reason."""
    found = [*_load_demands(project, evidence), *_attribute_demands(evidence), *_key_demands(project, evidence)]
    return tuple(dict.fromkeys(found))


def _load_demands(project: Project, evidence: Evidence) -> Iterator[Demand]:
    losses, clean = loss_keys(evidence), forms_of_keys(evidence)
    for run in evidence.runs:
        for load in final_loads(run):
            kind = "load" if load.raised else "silent" if is_silent(load) else ""
            if not kind or load.site is None:
                continue
            lines = rows_of(load.site) | {line for line in project.marked("tried") if line[0] == load.site.path}
            codes = ("CKPT301", "CKPT401", "CKPT402", *(("CKPT303",) if kind == "silent" else ()))
            accepted = {(code, *line) for code in codes for line in lines}
            damaged = bool(set(load.unexpected) - clean)
            for code, mark in (("CKPT305", "replace"), ("CKPT306", "slice"), ("CKPT307", "lstrip")):
                accepted |= {(code, *line) for line in project.marked(mark) if damaged}
            accepted |= {("CKPT304", *line) for line in project.marked("filter") if not load.unexpected}
            complaints = {*load.missing, *load.unexpected}
            if load.raised and complaints and complaints <= losses:
                accepted |= {("CKPT201", *line) for line in project.marked("register")}
            yield Demand(kind, "CKPT301", frozenset(accepted), f"{load.site.path}:{load.site.row}")


def _attribute_demands(evidence: Evidence) -> Iterator[Demand]:
    for run in evidence.runs:
        failure = run.outcome.failure
        if failure and failure.kind == "attribute" and failure.site and failure.text.endswith("'module'"):
            accepted = frozenset(("CKPT106", *line) for line in rows_of(failure.site))
            yield Demand("attribute", "CKPT106", accepted, f"{failure.site.path}:{failure.site.row}")


def _key_demands(project: Project, evidence: Evidence) -> Iterator[Demand]:
    for key in saved_keys(evidence):
        codes = [code for code, kinds in PREFIX_KINDS.items() if kinds & set(key.wrappers)]
        if codes and key.site:
            accepted = frozenset((code, *line) for code in codes for line in rows_of(key.site))
            yield Demand("prefix", codes[0], accepted, f"{key.site.path}:{key.site.row}")
        if key.loss:
            accepted = frozenset(("CKPT201", *line) for line in project.marked("register"))
            yield Demand("loss", "CKPT201", accepted, "the registration")


def forbidden(code: str, line: Line, project: Project, evidence: Evidence) -> bool:
    """Does this finding claim what is not so?"""
    if code == "CKPT301":
        ran = [load for run in evidence.runs for load in run.outcome.loads if load.site and load.site.has(*line)]
        final = [load for run in evidence.runs for load in final_loads(run) if load.site and load.site.has(*line)]
        if line in project.marked("tried"):  # what the retry comes to counts for the first try too
            final = [
                load for run in evidence.runs for load in final_loads(run) if load.site and load.site.path == line[0]
            ]
        if not ran:
            return all(run.outcome.failure is None for run in evidence.runs)
        failed = (load.raised or is_silent(load) or is_partial(load) or is_left_out(project, load) for load in final)
        return not any(failed)
    if code in PREFIX_KINDS:
        kinds = PREFIX_KINDS[code] | {"averaged"}
        here = (key for key in saved_keys(evidence) if key.site and key.site.has(*line))
        return _all_ended(evidence) and not any(kinds & set(key.wrappers) for key in here)
    if code == "CKPT106":
        failures = [run.outcome.failure for run in evidence.runs if run.outcome.failure]
        blamed = any(f.kind == "attribute" and f.site and f.site.has(*line) for f in failures)
        elsewhere = any(f.site is None or not f.site.has(*line) for f in failures)
        return not blamed and not elsewhere
    if code == "CKPT201":
        return _all_ended(evidence) and not any(key.loss for key in saved_keys(evidence))
    return False


def _all_ended(evidence: Evidence) -> bool:
    """Did every writer come to its save?"""
    return all(run.outcome.saves for run in evidence.writers)
