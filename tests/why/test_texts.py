"""Texts of old versions and of neighbours of torch, as data; and texts that are no checkpoint errors."""

from __future__ import annotations

import pytest

from ckptlint.rules.base import Registry
from ckptlint.why.data import load_known
from ckptlint.why.explain import explain

KNOWN = load_known()

# (version, text, topic)
OLD = [
    ("0.3", "KeyError: 'unexpected key \"module.conv1.weight\" in state_dict'", "keys"),
    (
        "0.4",
        "RuntimeError: Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight: copying a param of "
        "torch.Size([10, 4]) from checkpoint, where the shape is torch.Size([5, 4]) in current model.",
        "keys",
    ),
    (
        "1.0",
        "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
        "False. If you "
        "are running on a CPU-only machine, please use torch.load with map_location='cpu' to map your storages "
        "to the CPU.",
        "cuda-file",
    ),
    (
        "1.4",
        "RuntimeError: Attempting to deserialize object on CUDA device 3 but torch.cuda.device_count() is 1. "
        "Please use "
        "torch.load with map_location to map your storages to an existing device.",
        "cuda-index",
    ),
    (
        "2.4",
        "RuntimeError: Attempting to deserialize object on a XPU device but torch.xpu.is_available() is False. "
        "If you are "
        "running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
        "storages",
        "cuda-file",
    ),
    ("1.4", "RuntimeError: model.pth is a zip archive (did you mean to use torch.jit.load()?)", "old-torch"),
    (
        "1.4",
        "RuntimeError: version_ <= kMaxSupportedFileFormatVersion INTERNAL ASSERT FAILED at /pytorch/caffe2/serialize/"
        "inline_container.cc:132, please report a bug to PyTorch. Attempted to read a PyTorch file with version "
        "3, but the "
        "maximum supported version for reading is 2. Your PyTorch installation may be too old.",
        "old-torch",
    ),
    (
        "1.13",
        "AttributeError: Can't get attribute '_rebuild_tensor_v3' on <module 'torch._utils' from '/x/torch/_utils.py'>",
        "old-torch",
    ),
    (
        "1.13",
        "_pickle.UnpicklingError: Weights only load failed. Re-running `torch.load` with `weights_only` set to "
        "`False` will "
        "likely succeed, but it can result in arbitrary code execution.Do it only if you get the file from a trusted "
        "source. WeightsUnpickler error: Unsupported class argparse.Namespace",
        "refused-value",
    ),
    (
        "2.4",
        "_pickle.UnpicklingError: Weights only load failed. WeightsUnpickler error: Unsupported global: GLOBAL "
        "numpy.core.multiarray.scalar was not an allowed global by default. Please use "
        "`torch.serialization.add_safe_globals([scalar])` to allowlist this global if you trust this class/function.",
        "refused-value",
    ),
    ("1.3", "RuntimeError: storage has wrong size: expected 4096 got 512", "truncated"),
    (
        "1.9",
        "RuntimeError: [enforce fail at inline_container.cc:145] . PytorchStreamReader failed reading zip "
        "archive: failed "
        "finding central directory",
        "truncated",
    ),
    ("1.8", "RuntimeError: [enforce fail at inline_container.cc:274] . unexpected pos 640 vs 558", "disk-full"),
    (
        "1.10",
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity; 5.94 "
        "GiB already "
        "allocated; 15.69 MiB free; 6.03 GiB reserved in total by PyTorch)",
        "gpu-memory",
    ),
    (
        "2.4",
        '  File "a.py", line 3, in main\n    ckpt = torch.load(path)\ntorch.OutOfMemoryError: CUDA out of '
        "memory. Tried to "
        "allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.20 GiB is free.",
        "gpu-memory",
    ),
    (
        "1.7",
        "  File \"a.py\", line 3, in main\n    net.load_state_dict('a.pth')\n"
        "AttributeError: 'str' object has no attribute 'copy'",
        "given-path",
    ),
    ("", "TypeError: 'strict' is an invalid keyword argument for Unpickler()", "argument-of-apply"),
    ("", "TypeError: load() got an unexpected keyword argument 'weights_only'", "argument-newer"),
    ("", "EOFError: Ran out of input", "empty"),
    ("", "_pickle.UnpicklingError: pickle data was truncated", "truncated"),
    ("", "_pickle.UnpicklingError: invalid load key, '\\x00'.", "start-known"),
    ("", "_pickle.UnpicklingError: invalid load key, 'E'.", "start-known"),
    ("", "_pickle.UnpicklingError: invalid load key, '\\xc8'.", "start-unknown"),
    ("", "AttributeError: Can't get attribute 'Net' on <module '__main__' from 'test.py'>", "class-gone-main"),
    (
        "",
        '  File "torch/serialization.py", line 1415, in find_class\nModuleNotFoundError: No module named '
        "'models.yolo'",
        "class-gone-yolo",
    ),
    (
        "",
        '  File "torch/serialization.py", line 1415, in find_class\nModuleNotFoundError: No module named '
        "'numpy._core'",
        "numpy-2",
    ),
    ("", "NotImplementedError: cannot instantiate 'PosixPath' on your system", "other-system"),
    ("", "AttributeError: 'Upsample' object has no attribute 'recompute_scale_factor'", "stale-module"),
    ("", "KeyError: 'state_dict'", "entry-missing"),
    (
        "",
        "  File \"a.py\", line 1, in f\n    optimizer.load_state_dict(c['optimizer'])\nKeyError: 'optimizer'",
        "entry-missing-state",
    ),
    (
        "",
        "  File \"/x/torch/optim/optimizer.py\", line 8, in load_state_dict\nKeyError: 'param_groups'",
        "other-optimizer",
    ),
    ("", "I load the state into the optimizer and get KeyError('param_groups')", "other-optimizer"),
    ("", "  File \"/x/torch/optim/adamw.py\", line 9, in __setstate__\nKeyError: 'step'", "other-optimizer"),
    ("", "cPickle.UnpicklingError: could not find MARK", "not-torch"),
    (
        "",
        "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do so",
        "weights-only-failed",
    ),
    ("", '"message": "invalid load key, \'\\\\x0a\'."', "start-known"),
    (
        "",
        "KeyError: \"param 'initial_lr' is not specified in param_groups[0] when resuming an optimizer\"",
        "scheduler-initial-lr",
    ),
    ("", "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", "safetensors-not"),
    (
        "",
        "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
        "safetensors-cut",
    ),
    ("", "RuntimeError: Missing key in checkpoint state_dict: model.fc.weight.", "dcp-key"),
    (
        "",
        "unexpected key in source state_dict: module.conv1.weight, module.bn1.weight\n\n"
        "missing keys in source state_dict: conv1.weight, bn1.weight\n"
        "The model and loaded state dict do not match exactly",
        "keys",
    ),
    ("", "_IncompatibleKeys(missing_keys=['fc.weight'], unexpected_keys=['module.fc.weight'])", "keys"),
    (
        "",
        "Some weights of the model checkpoint at bert-base-uncased were not used when initializing BertModel: "
        "['cls.predictions.bias', 'cls.seq_relationship.weight']\n- This IS expected if ...",
        "keys",
    ),
]


@pytest.mark.parametrize(("version", "text", "topic"), OLD)
def test_texts_of_other_versions(version, text, topic):
    explanation = explain(text)
    assert explanation is not None
    assert explanation.topic == topic
    if version and explanation.since:
        assert _number(explanation.since) <= _number(version)
    if version and explanation.until:
        assert _number(version) <= _number(explanation.until)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "ValueError: too many values to unpack (expected 2)",
        "ModuleNotFoundError: No module named 'torchvision'",
        "KeyError: 'image'",
        "IndexError: index 10 is out of bounds for dimension 0 with size 10",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x512 and 1024x10)",
        '  File "train.py", line 3, in step\n    loss.backward()\nRuntimeError: CUDA out of memory. Tried to '
        "allocate 2 GiB.",
        "AttributeError: 'NoneType' object has no attribute 'shape'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.csv'",
        "TypeError: forward() got an unexpected keyword argument 'mask'",
        "All checks passed. Saved checkpoint to runs/last.pth, loading took 3 s",
        "<All keys matched successfully>",
    ],
)
def test_other_errors_are_not_claimed(text):
    assert explain(text) is None


def test_every_topic_has_a_text_and_every_text_a_topic():
    from ckptlint.why import variants

    chosen = set(variants._CHOOSERS)
    wanted = {message.topic for message in KNOWN.messages}
    assert wanted - chosen <= set(KNOWN.topics)
    reached = wanted | {
        name
        for name in KNOWN.topics
        if name.startswith(("given-", "argument-", "refused-", "start-", "class-gone", "module-gone", "entry-missing"))
    }
    assert set(KNOWN.topics) <= reached


def test_the_rules_that_are_named_exist():
    """Codes of rules that are yet to come are codes all the same; those that exist have to be spelled right."""
    named = {code for topic in KNOWN.topics.values() for code in topic.rules}
    assert all(len(code) == 7 and code.startswith("CKPT") and code[4:].isdigit() for code in named)
    assert {"CKPT101", "CKPT301", "CKPT106"} <= set(Registry.builtin().codes)


@pytest.mark.parametrize("message", KNOWN.messages, ids=lambda message: f"{message.topic}: {message.text[:40]}")
def test_every_text_says_where_it_is_from(message):
    assert message.source
    if message.since and message.until:
        assert _number(message.since) <= _number(message.until)
    if message.source.startswith("torch/") and message.until == "":
        assert message.since, "a text of torch has the version that it holds from"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_a_remedy_s_code_has_lines_and_no_backslashes_for_them() -> None:
    """A literal string of TOML keeps `\\n` as it is; nobody can paste that."""
    codes = [one.code for topic in KNOWN.topics.values() for one in topic.do]
    assert [code for code in codes if "\\n" in code] == []


def test_a_text_is_not_found_in_the_middle_of_another_word() -> None:
    found = explain(
        '  File "/env/torch/serialization.py", line 1112, in _cuda_deserialize\n'
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 96.00 MiB (GPU 0; 7.79 GiB total capacity)",
        KNOWN,
    )
    assert found is not None
    assert (found.topic, found.also) == ("gpu-memory", ())


def test_a_class_is_named_without_python_s_brackets() -> None:
    found = explain(
        "_pickle.UnpicklingError: Weights only load failed.\n\tWeightsUnpickler error: Can only build Tensor, "
        "Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
        "but got <class 'project.settings.Settings'>",
        KNOWN,
    )
    assert found is not None
    assert found.title == "torch.load refuses project.settings.Settings"


def test_a_notebook_that_was_cut_before_the_reason_still_tells_whose_error_it_is() -> None:
    found = explain(
        "File /env/torch/serialization.py:1470, in load(f, map_location)\n"
        "-> 1470                 raise pickle.UnpicklingError(_get_wo_message(str(e))) from None\n",
        KNOWN,
    )
    assert found is not None
    assert found.topic == "weights-only-failed"


def test_the_argument_that_is_missing_is_named() -> None:
    found = explain(
        '  File "/env/lightning/pytorch/core/saving.py", line 158, in _load_state\n'
        "TypeError: Segmenter.__init__() missing 1 required positional argument: 'decoder'",
        KNOWN,
    )
    assert found is not None
    assert any("decoder=decoder" in one.code for one in found.do)
