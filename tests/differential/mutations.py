"""Bugs put into clean idioms, and the share of them that ckptlint names with the right rule.

An idiom is a folder of `idioms/`: a small program as people write them, which torch runs without loss in every setting,
and `mutations.json` with the bugs. A mutation replaces one text (and perhaps others, `also`) and names the rule that
must find it. It counts as found when the clean program gives no finding of the rule that judging forbids, and the
mutated one gives a finding of the rule where torch's word demands one: at the failing load for CKPT301, at the
`.state_dict()` call whose keys have the prefix for CKPT101, and so on (see `truth`). For rules that torch has no word
about (a strip that happens to work, an entry that is not there) any new finding of the rule in the changed file counts.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec

from .answers import Answer, findings_of, write_files
from .judge import Ask, compare
from .project import Project, Script
from .records import Evidence
from .runner import evidence_of, workplace
from .sandbox import Sandbox
from .truth import demands_of

_IDIOMS = Path(__file__).with_name("idioms")
WITHOUT_WORD = frozenset({"CKPT305", "CKPT306", "CKPT307", "CKPT401"})


class Mutation(msgspec.Struct, frozen=True):
    """`changes` are (file, old text, new text). `limit` says why it need not be found; then it must not be."""

    idiom: str
    name: str
    rule: str
    changes: tuple[tuple[str, str, str], ...]
    limit: str = ""


class Idiom(msgspec.Struct, frozen=True):
    name: str
    project: Project
    mutations: tuple[Mutation, ...]


class MutationScore(msgspec.Struct, frozen=True):
    """By rule: how many bugs were put in, how many were found; `missed` names the others."""

    injected: Counter[str]
    found: Counter[str]
    missed: tuple[str, ...]


def idioms() -> tuple[Idiom, ...]:
    return tuple(_idiom(folder) for folder in sorted(_IDIOMS.iterdir()) if (folder / "mutations.json").exists())


def _idiom(folder: Path) -> Idiom:
    told = json.loads((folder / "mutations.json").read_text(encoding="utf-8"))
    files = tuple((path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py")))
    (writer, *writer_argv), (reader, *reader_argv) = told["writer"], told["reader"]
    project = Project(
        files,
        Script(writer, tuple(writer_argv), tuple(told.get("flags", ()))),
        Script(reader, tuple(reader_argv), tuple(told.get("reader_flags", ()))),
        (),
        (),
    )
    mutations = tuple(
        Mutation(
            folder.name,
            one["name"],
            one["rule"],
            ((one["file"], one["old"], one["new"]), *(tuple(change) for change in one.get("also", ()))),
            one.get("limit", ""),
        )
        for one in told["mutations"]
    )
    return Idiom(folder.name, project, mutations)


def mutated(project: Project, mutation: Mutation) -> Project:
    """The project with the bug. Raises ValueError when a text to replace is not there exactly once."""
    files = dict(project.files)
    for path, old, new in mutation.changes:
        if files[path].count(old) != 1:
            raise ValueError(
                f"{mutation.idiom}, {mutation.name}: {old!r} stands {files[path].count(old)} times in {path}"
            )
        files[path] = files[path].replace(old, new)
    return msgspec.structs.replace(project, files=tuple(files.items()))


def is_confirmed(mutation: Mutation, project: Project, evidence: Evidence) -> bool:
    """Does torch say that the mutated program has the bug that this rule is about?"""
    return mutation.rule in WITHOUT_WORD or any(one.rule == mutation.rule for one in demands_of(project, evidence))


def is_found(
    mutation: Mutation, project: Project, evidence: Evidence, before: tuple[Answer, ...], after: tuple[Answer, ...]
) -> bool:
    """Is the rule among the findings, at the place that torch's word demands?"""
    if mutation.rule in WITHOUT_WORD:
        return sum(one.code == mutation.rule for one in after) > sum(one.code == mutation.rule for one in before)
    places = {(one.code, one.path, one.row) for one in after if one.code == mutation.rule}
    if mutation.rule == "CKPT201":  # idioms mark no lines: the registration is anywhere in the project
        return bool(places)
    demands = [one for one in demands_of(project, evidence) if one.rule == mutation.rule]
    return all(one.accepted & places for one in demands)


def score(sandbox: Sandbox, ask: Ask = findings_of) -> MutationScore:
    """Judge every mutation of every idiom."""
    injected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    missed: list[str] = []
    for idiom in idioms():
        before = answers_about(idiom.project, ask)
        false = [
            one.detail
            for one in compare(idiom.project, evidence_of(sandbox, idiom.project), before)
            if one.kind == "false alarm"
        ]
        missed += [f"{idiom.name}, clean: false alarm {detail}" for detail in false]
        for mutation in idiom.mutations:
            project = mutated(idiom.project, mutation)
            injected[mutation.rule] += 1
            after = answers_about(project, ask)
            if is_found(mutation, project, evidence_of(sandbox, project), before, after):
                found[mutation.rule] += 1
                if mutation.limit:
                    missed.append(f"{mutation.idiom}: {mutation.name}: no longer a limit, take the word away")
            elif not mutation.limit:
                missed.append(f"{mutation.rule} {mutation.idiom}: {mutation.name}")
    return MutationScore(injected, found, tuple(missed))


def answers_about(project: Project, ask: Ask) -> tuple[Answer, ...]:
    with workplace() as source:
        write_files(project.files, source)
        return ask(source)
