"""The sandbox shows what torch does, and leaves the process as it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from .mending import is_good
from .project import Setting
from .records import Evidence
from .render import render
from .runner import evidence_of
from .sandbox import Sandbox
from .spec import spec_of, spec_of_seed
from .truth import is_silent, saved_keys


def evidence(sandbox: Sandbox, **choices: str) -> Evidence:
    return evidence_of(sandbox, render(spec_of(**choices)))


def keys(sandbox: Sandbox, **choices: str) -> set[str]:
    return {key.name for key in saved_keys(evidence(sandbox, **choices))}


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [
        ("none", ""),
        ("dp", "module."),
        ("ddp", "module."),
        ("user_dp", "module."),
        ("user_ddp", "module."),
        ("compile", "_orig_mod."),
        ("compile_partial", "_orig_mod."),
        ("compile_deferred", "_orig_mod."),
        ("compile_inplace", ""),
        ("ddp_then_compile", "_orig_mod.module."),
        ("compile_then_ddp", "module._orig_mod."),
        ("dp_twice", "module.module."),
        ("averaged", "module."),
        ("apex", "module."),
        ("fabric", ""),
    ],
)
def test_a_wrapper_puts_its_prefix_before_every_key(sandbox: Sandbox, wrap: str, prefix: str) -> None:
    saved = keys(sandbox, wrap=wrap) - {"n_averaged"}
    assert f"{prefix}head.weight" in saved
    assert all(key.startswith(prefix) for key in saved)


def test_a_wrapped_part_has_its_prefix_inside(sandbox: Sandbox) -> None:
    saved = keys(sandbox, wrap="dp", holder="submodule")
    assert {"features.module.0.weight", "head.weight"} <= saved


@pytest.mark.parametrize("net", ["compiled_class", "compiled_forward"])
def test_a_compiled_class_leaves_keys_alone(sandbox: Sandbox, net: str) -> None:
    assert "head.weight" in keys(sandbox, net=net)


@pytest.mark.parametrize(
    ("loss", "key"),
    [
        ("weighted", "criterion.weight"),
        ("bce_pos", "criterion.pos_weight"),
        ("nested", "criterion.nll_loss.weight"),
        ("later", "criterion.weight"),
        ("full", "loss.weight"),
    ],
)
def test_a_weighted_loss_is_in_the_file(sandbox: Sandbox, loss: str, key: str) -> None:
    assert key in {one.name for one in saved_keys(evidence(sandbox, loss=loss)) if one.loss}


@pytest.mark.parametrize(
    "loss", ["functional", "outside", "stateless", "held", "listed", "non_persistent", "piece", "learnable"]
)
def test_the_quiet_look_alikes_put_no_loss_weight_in_the_file(sandbox: Sandbox, loss: str) -> None:
    assert not any(key.loss for key in saved_keys(evidence(sandbox, loss=loss)))


def test_the_first_founding_mistake_fails_where_it_is_read(sandbox: Sandbox) -> None:
    project = render(spec_of(wrap="dp"))
    [run] = evidence_of(sandbox, project).readers
    assert run.outcome.failure
    assert run.outcome.failure.kind == "load"
    [load] = run.outcome.loads
    assert load.site
    assert {(load.site.path, load.site.row)} == project.marked("load")
    assert "module.features.0.weight" in load.unexpected
    assert "features.0.weight" in load.missing
    assert load.restored == 0


def test_the_second_founding_mistake_fails_on_the_weight_alone(sandbox: Sandbox) -> None:
    [run] = evidence(sandbox, loss="nested", test_loss="without").readers
    assert run.outcome.loads[0].unexpected == ("criterion.nll_loss.weight",)
    assert run.outcome.loads[0].missing == ()


def test_a_load_that_is_not_strict_restores_nothing_in_silence(sandbox: Sandbox) -> None:
    [run] = evidence(sandbox, wrap="dp", strict="false").readers
    assert run.outcome.failure is None
    assert is_silent(run.outcome.loads[0])


def test_a_clean_project_restores_everything(sandbox: Sandbox) -> None:
    [run] = evidence(sandbox).readers
    assert is_good(run.outcome)
    assert run.outcome.loads[0].restored == run.outcome.loads[0].total == 6


def test_a_state_dict_kept_in_memory_is_no_file(sandbox: Sandbox) -> None:
    [run] = evidence(sandbox, layout="resume", also="memory").readers
    assert [(load.from_file, load.raised) for load in run.outcome.loads] == [(True, ""), (False, "")]


def test_empty_parameters_are_not_taken_for_the_same_memory(sandbox: Sandbox) -> None:
    project = render(spec_of(layout="resume", wrap="dp", loss="learnable", also="sync", strict="false"))
    twins = [run.outcome.loads[-1] for run in evidence_of(sandbox, project).readers]
    assert twins
    assert not any(load.from_file for load in twins)


def test_a_merge_that_takes_nothing_over_restores_nothing(sandbox: Sandbox) -> None:
    [run] = evidence(sandbox, wrap="dp", guard="merge").readers
    assert is_silent(run.outcome.loads[0])


def test_a_condition_runs_on_both_its_sides(sandbox: Sandbox) -> None:
    found = evidence(sandbox, wrap="dp", when="gpus", target="same")
    good = {(run.writing.gpus, run.reading.gpus if run.reading else 0): is_good(run.outcome) for run in found.readers}
    assert good == {(1, 1): True, (1, 2): False, (2, 1): False, (2, 2): True}


def test_an_unwrap_of_what_is_not_wrapped_is_seen(sandbox: Sandbox) -> None:
    found = evidence(sandbox, wrap="dp", when="parallel", unwrap="attribute")
    plain, wrapped = found.writers
    assert plain.outcome.failure
    assert plain.outcome.failure.kind == "attribute"
    assert is_good(wrapped.outcome)


def test_no_script_fails_for_a_reason_of_its_own(sandbox: Sandbox) -> None:
    for seed in range(10_000, 10_150):
        for run in evidence_of(sandbox, render(spec_of_seed(seed))).runs:
            failure = run.outcome.failure
            assert failure is None or failure.kind != "other", (seed, failure)


def test_the_process_is_left_as_it_was(sandbox: Sandbox) -> None:
    def state() -> tuple[object, ...]:
        watched = (torch.save, torch.load, torch.nn.Module.state_dict, torch.nn.Module.load_state_dict)
        return (
            *watched,
            torch.cuda.device_count,
            sys.argv,
            sys.stdout,
            Path.cwd(),
            dict(os.environ),
            set(sys.modules),
        )

    evidence(sandbox, wrap="dp", when="distributed", layout="package")
    before = state()
    evidence(sandbox, wrap="dp", when="gpus", layout="package")
    assert state() == before


def test_a_setting_is_what_the_script_sees(sandbox: Sandbox) -> None:
    assert Setting(("--a",), gpus=1) + Setting(("--b",), gpus=2, world=2) == Setting(("--a", "--b"), 2, 2)
