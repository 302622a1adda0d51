"""A fix is judged by running the program again, with old files and new ones: made-up fixes, good and bad."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .answers import Answer
from .mending import bad_fixes
from .project import Project
from .records import Evidence
from .render import render
from .runner import read_all, workplace, write_all
from .sandbox import Program, Sandbox
from .spec import spec_of

PLAIN = 'weights = torch.load(path, map_location="cpu")'
ALWAYS = render(spec_of(wrap="dp", saver="helper", reader="returns"))
SOMETIMES = render(spec_of(wrap="dp", when="gpus", reader="returns"))
BARE = "model.module.state_dict()"
ASKING = "getattr(model, 'module', model).state_dict()"
STRIPPED = "weights = {k.removeprefix('module.'): v for k, v in torch.load(path, map_location=\"cpu\").items()}"


def reasons(sandbox: Sandbox, project: Project, *changes: tuple[str, str], code: str = "CKPT301") -> set[str]:
    """What is bad about a fix that replaces these texts wherever they stand."""

    def mend(directory: str, unsafe: bool) -> None:
        for path in Path(directory).rglob("*.py"):
            text = path.read_text()
            for old, new in changes:
                text = text.replace(old, new)
            path.write_text(text)

    program = Program(project.files)
    with workplace() as base, tempfile.TemporaryDirectory() as source:
        written = write_all(sandbox, project, program, base)
        runs = Evidence(tuple(one.run for one in written), tuple(read_all(sandbox, project, program, written)))
        answers = (Answer(code, "train.py", 1, "", "error", "safe"),)
        return {one.reason for one in bad_fixes(sandbox, project, runs, written, answers, source, base, mend)}


def test_mending_both_ends_is_a_good_fix(sandbox: Sandbox) -> None:
    assert not reasons(sandbox, ALWAYS, ("model.state_dict()", BARE), (PLAIN, STRIPPED))
    assert not reasons(sandbox, SOMETIMES, ("model.state_dict()", ASKING), (PLAIN, STRIPPED))


def test_a_fix_that_changes_nothing_is_not_judged(sandbox: Sandbox) -> None:
    assert not reasons(sandbox, ALWAYS)


def test_a_writer_mended_alone_leaves_old_files_unreadable(sandbox: Sandbox) -> None:
    assert reasons(sandbox, ALWAYS, ("model.state_dict()", BARE)) == {"still"}


def test_an_unwrap_that_does_not_ask_breaks_the_single_gpu_run(sandbox: Sandbox) -> None:
    assert "broke" in reasons(sandbox, SOMETIMES, ("model.state_dict()", BARE), (PLAIN, STRIPPED))


def test_a_reader_that_loads_nothing_in_silence_is_not_mended(sandbox: Sandbox) -> None:
    assert "still" in reasons(sandbox, ALWAYS, ("load_state_dict(weights)", "load_state_dict(weights, strict=False)"))


def test_a_prefix_that_stays_in_new_files_is_no_fix_of_the_prefix(sandbox: Sandbox) -> None:
    assert "prefix" in reasons(sandbox, ALWAYS, (PLAIN, STRIPPED), code="CKPT101")


def test_a_fix_that_goes_on_fixing_is_bad(sandbox: Sandbox) -> None:
    assert "again" in reasons(sandbox, ALWAYS, ("model = Net()", "model = (Net())"), ("(Net())", "((Net()))"))


def test_a_fix_that_does_not_parse_is_bad(sandbox: Sandbox) -> None:
    assert reasons(sandbox, ALWAYS, ("def main():", "def main(:")) == {"parse"}
