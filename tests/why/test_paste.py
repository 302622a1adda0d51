"""The same error, however it was pasted: colours, times, loggers, ranks, boxes, quotes, JSON, broken lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptlint.why.explain import explain
from ckptlint.why.frames import frames, own_frame
from ckptlint.why.paste import texts

KEYS = [f"layer{number}.0.bn1.running_mean" for number in range(1, 5)] + ["fc.weight", "fc.bias"]
ERROR = (
    "RuntimeError: Error(s) in loading state_dict for ResNet:\n"
    f"\tMissing key(s) in state_dict: {', '.join(json.dumps(key) for key in KEYS)}. \n"
    f"\tUnexpected key(s) in state_dict: {', '.join(json.dumps('module.' + key) for key in KEYS)}. "
)
TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/home/me/project/test.py", line 12, in main\n'
    '    net.load_state_dict(torch.load("runs/best.pth"))\n'
    '  File "/usr/lib/python3.11/site-packages/torch/nn/modules/module.py", line 2581, in load_state_dict\n'
    "    raise RuntimeError(\n"
) + ERROR


def lines_with(prefix: str) -> str:
    return "\n".join(prefix + line for line in TRACEBACK.split("\n"))


@pytest.mark.parametrize(
    "pasted",
    [
        ERROR,
        TRACEBACK,
        lines_with("[rank0]: "),
        lines_with("[default3]:"),
        lines_with("2024-05-06 12:00:00,123 - mmdet - ERROR - "),
        lines_with("[2024-05-06 12:00:00,123][train][INFO] - "),
        lines_with("[05/06 12:00:00 d2.engine]: "),
        lines_with("ERROR:root:"),
        lines_with("INFO 05-06 12:00:00 worker.py:131] "),
        lines_with("E0506 12:00:00.123456 140000 main.py:12] "),
        lines_with("(RayTrainWorker pid=1234, ip=10.0.0.1) "),
        lines_with("[1,0]<stderr>:"),
        lines_with("trainer-0  | "),
        lines_with("[default7]:[rank7]: "),
        lines_with("2023-05-26T16:48:07.093268664Z "),
        "\n".join(f"{line:<400}" for line in TRACEBACK.split("\n")),
        lines_with("0: "),
        lines_with("> "),
        "\x1b[31m" + TRACEBACK.replace("RuntimeError", "\x1b[1;31mRuntimeError\x1b[0m") + "\x1b[0m",
        TRACEBACK.replace("RuntimeError", "[1;31mRuntimeError[0m"),
        TRACEBACK.replace("\n", "\r\n"),
        json.dumps({"level": "error", "message": TRACEBACK}),
        repr(TRACEBACK),
        TRACEBACK.replace('"layer', "\u201clayer").replace('running_mean"', "running_mean\u201d"),
        "epoch 1 loss 0.3\n" * 50 + TRACEBACK + "\nsrun: error: node1: task 0: Exited with exit code 1\n",
    ],
)
def test_every_way_of_pasting_gives_the_same_keys(pasted):
    explanation = explain(pasted)
    assert explanation is not None
    assert explanation.keys.missing == tuple(KEYS)
    assert explanation.keys.unexpected == tuple(f"module.{key}" for key in KEYS)
    assert not explanation.keys.cut
    assert explanation.title == "the file's keys carry `module.`, the model's do not"
    assert "All 6 unexpected keys" in explanation.what[0]


@given(st.integers(20, 100))
def test_a_terminal_may_break_the_lines_anywhere(width):
    broken = "\n".join(line[at : at + width] for line in ERROR.split("\n") for at in range(0, max(1, len(line)), width))
    explanation = explain(broken)
    assert explanation is not None
    assert explanation.keys.unexpected == tuple(f"module.{key}" for key in KEYS)


@given(st.integers(len("RuntimeError: Error(s) in loading state_dict for ResNet:") + 60, len(ERROR) - 5))
def test_a_paste_that_stops_anywhere_gives_whole_keys_only(length):
    explanation = explain(ERROR[:length] + "...")
    assert explanation is not None
    assert set(explanation.keys.missing) <= set(KEYS)
    assert set(explanation.keys.unexpected) <= {f"module.{key}" for key in KEYS}


def test_ranks_that_speak_at_once_are_told_apart():
    mixed = [f"[rank{rank}]: {line}" for line in TRACEBACK.split("\n") for rank in (0, 1)]
    explanation = explain("\n".join(mixed))
    assert explanation is not None
    assert explanation.keys.missing == tuple(KEYS)
    assert len(texts("\n".join(mixed))) == 2


def test_a_box_of_rich():
    inside = [f"│ {line:<200} │" for line in ERROR.split("\n")]
    explanation = explain("\n".join(["╭" + "─" * 200 + "╮", *inside, "╰" + "─" * 200 + "╯"]))
    assert explanation is not None
    assert explanation.keys.missing == tuple(KEYS)


def test_the_place_and_the_file_are_read_from_the_traceback():
    explanation = explain(lines_with("[rank0]: "))
    assert explanation is not None
    assert explanation.file == "runs/best.pth"
    assert explanation.frame is not None
    assert (explanation.frame.file, explanation.frame.line) == ("/home/me/project/test.py", 12)
    assert "ckptlint repair runs/best.pth -o bare.pth --strip-prefix module." in [one.command for one in explanation.do]


@pytest.mark.parametrize(
    "line",
    [
        '  File "train.py", line 45, in main\n    load()',
        "File ~/work/train.py:45, in main(args)\n     44 x\n---> 45 load()",
        "/home/me/train.py in main(args)\n     43 x\n---> 45 load()\n     46 y",
        "/home/me/train.py:45 in main\n\n  44 x\n❱ 45 load()",
    ],
)
def test_the_spellings_of_a_frame(line):
    frame = own_frame(frames(line))
    assert frame is not None
    assert frame.file.endswith("train.py")
    assert (frame.line, frame.function) == (45, "main")


def test_a_cell_of_a_notebook():
    code = "net.load_state_dict(torch.load('a.pth'))"
    text = f"Cell In[10], line 12\n     11 x\n---> 12 {code}\n\nUnpicklingError: invalid load key, '<'."
    explanation = explain(text)
    assert explanation is not None
    assert explanation.file == "a.pth"
    assert explanation.frame is not None
    assert explanation.frame.line == 12


@given(st.text(max_size=300))
def test_any_text_is_taken(text):
    explain(text)
    explain(ERROR + text)


def test_syslog_puts_the_machine_and_the_program_in_front_and_writes_tabs_as_numbers() -> None:
    pasted = lines_with("Nov 24 02:11:09 node-3 python[1063]: ").replace("\t", "#011")
    found = explain(pasted)
    assert found is not None
    assert "node-3" not in found.error
    assert len(found.keys.missing) == len(KEYS)
