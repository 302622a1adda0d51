"""What counts as a miss, a false alarm and a wrong prediction."""

from __future__ import annotations

import pytest

from .answers import Answer
from .judge import compare, judge
from .predictions import predictions_in
from .project import Project
from .render import render
from .runner import evidence_of
from .sandbox import Sandbox
from .shrink import shrink
from .spec import Spec, spec_of, spec_of_seed
from .truth import demands_of


def row_of(project: Project, text: str) -> tuple[str, int]:
    [found] = [
        (path, row) for path, source in project.files for row, line in enumerate(source.split("\n"), 1) if text in line
    ]
    return found


def say(code: str, place: tuple[str, int], message: str = "") -> Answer:
    return Answer(code, *place, message, "warning", "")


def differences(sandbox: Sandbox, project: Project, *answers: Answer) -> set[tuple[str, str]]:
    found = compare(project, evidence_of(sandbox, project), answers)
    return {(one.kind, one.rule) for one in found}


def test_saying_nothing_about_the_founding_mistakes_misses_them(sandbox: Sandbox) -> None:
    prefixed = render(spec_of(wrap="dp"))
    assert differences(sandbox, prefixed) == {("miss", "CKPT101"), ("miss", "CKPT301")}
    weighted = render(spec_of(loss="weighted", test_loss="without"))
    assert differences(sandbox, weighted) == {("miss", "CKPT201"), ("miss", "CKPT301")}


def test_the_right_findings_at_the_right_lines_agree(sandbox: Sandbox) -> None:
    project = render(spec_of(wrap="dp"))
    reader, writer = row_of(project, "load_state_dict"), row_of(project, "model.state_dict()")
    assert not differences(sandbox, project, say("CKPT301", reader), say("CKPT101", writer))
    wrong_line = (reader[0], reader[1] - 1)
    assert ("miss", "CKPT301") in differences(sandbox, project, say("CKPT301", wrong_line), say("CKPT101", writer))


def test_a_criterion_in_the_way_is_explained_by_its_own_rule(sandbox: Sandbox) -> None:
    project = render(spec_of(loss="weighted", test_loss="without"))
    assert not differences(sandbox, project, say("CKPT201", row_of(project, "self.criterion =")))


def test_what_is_demanded_is_never_forbidden(sandbox: Sandbox) -> None:
    for seed in range(20_000, 20_150):
        project = render(spec_of_seed(seed))
        evidence = evidence_of(sandbox, project)
        answers = [
            say(*(code, (path, row)))
            for demand in demands_of(project, evidence)
            for code, path, row in sorted(demand.accepted)
            if code == demand.rule or code in ("CKPT101", "CKPT102")
        ]
        assert not compare(project, evidence, tuple(answers)), (seed, spec_of_seed(seed).described())


def test_claims_about_a_clean_project_are_false_alarms(sandbox: Sandbox) -> None:
    project = render(spec_of(also="memory"))
    [file_load] = project.marked("load")
    [memory_load] = project.marked("memory")
    saved = row_of(project, "weights = model.state_dict()") if "weights = model" in str(project) else None
    for place in (file_load, memory_load):
        assert differences(sandbox, project, say("CKPT301", place)) == {("false alarm", "CKPT301")}
    copied = row_of(project, "deepcopy(model.state_dict())")
    assert differences(sandbox, project, say("CKPT101", saved or copied)) == {("false alarm", "CKPT101")}


def test_a_prefix_is_judged_by_the_keys_in_the_file_not_by_the_reader(sandbox: Sandbox) -> None:
    project = render(spec_of(wrap="dp", guard="startswith"))
    assert differences(sandbox, project) == {("miss", "CKPT101")}
    assert not differences(sandbox, project, say("CKPT101", row_of(project, "model.state_dict()")))


def test_keys_that_are_read_but_not_saved_are_no_prefix_in_a_file(sandbox: Sandbox) -> None:
    project = render(spec_of(wrap="dp", unwrap="getattr", also="keys"))
    place = row_of(project, "model.state_dict().keys()")
    assert differences(sandbox, project, say("CKPT101", place)) == {("false alarm", "CKPT101")}


def test_a_retry_that_works_is_no_failure(sandbox: Sandbox) -> None:
    project = render(spec_of(wrap="dp", guard="retry"))
    assert not any(one.rule == "CKPT301" for one in demands_of(project, evidence_of(sandbox, project)))
    [tried] = project.marked("tried")
    assert ("false alarm", "CKPT301") in differences(sandbox, project, say("CKPT301", tried))


def test_a_particular_rule_counts_only_where_it_explains_the_error(sandbox: Sandbox) -> None:
    cut = render(spec_of(guard="slice"))  # a bare file: k[7:] destroys its names
    [place] = cut.marked("slice")
    assert not differences(sandbox, cut, say("CKPT306", place))
    compiled = render(spec_of(wrap="compile", guard="replace"))  # "_orig_mod." is still there: not replace's fault
    [place] = compiled.marked("replace")
    assert ("miss", "CKPT301") in differences(sandbox, compiled, say("CKPT305", place))


@pytest.mark.parametrize(
    ("names", "right"),
    [
        ('"module.features.0.weight", ...', True),
        ('"module.features.0.weight"', False),
        ('"module.conv1.weight", ...', False),
        ('"features.0.weight", ...', False),
    ],
)
def test_predicted_names_are_held_against_torchs_own(sandbox: Sandbox, names: str, right: bool) -> None:
    project = render(spec_of(wrap="dp"))
    reader, writer = row_of(project, "load_state_dict"), row_of(project, "model.state_dict()")
    message = f"loading fails: Unexpected key(s) in state_dict: {names}"
    found = differences(sandbox, project, say("CKPT301", reader, message), say("CKPT101", writer))
    assert found == (set() if right else {("prediction", "CKPT301")})


def test_a_load_that_works_in_some_setting_does_not_always_fail(sandbox: Sandbox) -> None:
    project = render(spec_of(wrap="dp", when="gpus"))
    reader, writer = row_of(project, "load_state_dict"), row_of(project, "model.state_dict()")
    always = Answer("CKPT301", *reader, "loading this always fails", "error", "")
    assert differences(sandbox, project, always, say("CKPT101", writer)) == {("prediction", "CKPT301")}
    sometimes = Answer("CKPT301", *reader, "loading this fails with two GPUs", "warning", "")
    assert not differences(sandbox, project, sometimes, say("CKPT101", writer))


def test_a_message_may_name_missing_and_unexpected_keys() -> None:
    said = predictions_in(
        'Missing key(s) in state_dict: "a.b", "c". Unexpected key(s) in state_dict: "module.a.b", ...'
    )
    assert [(one.kind, one.names, one.whole) for one in said] == [
        ("Missing", ("a.b", "c"), True),
        ("Unexpected", ("module.a.b",), False),
    ]


def test_shrinking_leaves_what_the_failure_needs_and_nothing_else() -> None:
    def fails(spec: Spec) -> bool:
        return spec["wrap"] in ("compile", "compile_options") and spec["payload"] == "tuple"

    start = next(spec for seed in range(5000) if fails(spec := spec_of_seed(seed)) and spec.weight > 20)
    small = shrink(start, fails)
    assert small.described() == {"wrap": "compile", "payload": "tuple"}


def test_shrinking_a_real_disagreement_gives_the_founding_mistake(sandbox: Sandbox) -> None:
    def fails(spec: Spec) -> bool:
        verdict = judge(sandbox, render(spec), ask=lambda _: (), fixes=False)
        return any(one.rule == "CKPT101" for one in verdict.disagreements)

    start = spec_of(wrap="user_ddp", when="gpus", holder="factory", payload="tuple", saver="callback", layout="package")
    assert fails(start)
    assert shrink(start, fails).described() == {"wrap": "dp"}
