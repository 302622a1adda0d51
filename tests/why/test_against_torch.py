"""The installed torch makes the error, `why` reads what it really said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ckptlint.why.explain import explain

torch = pytest.importorskip("torch")
from tests.why import provoke  # noqa: E402

# function of provoke.py -> (topic, the first rule or None, words that the explanation has to hold)
EXPECTED: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "wrapped_into_bare": ("keys", "CKPT101", ("`module.`", "DataParallel", "--strip-prefix module.")),
    "bare_into_wrapped": ("keys", "CKPT301", ("the model's keys carry `module.`", "--add-prefix module.")),
    "compiled_into_bare": ("keys", "CKPT102", ("_orig_mod.", "torch.compile", "--strip-prefix _orig_mod.")),
    "compiled_part_into_bare": ("keys", "CKPT102", ("_orig_mod.", "--rename '*._orig_mod.*=*.*'")),
    "loss_in_file": ("keys", "CKPT201", ("criterion.weight", "--drop '*criterion.*'", "persistent=False")),
    "loss_in_wrapped_file": ("keys", "CKPT201", ("module.criterion.weight",)),
    "holder_into_part": ("keys", "CKPT301", ("`backbone.` in front", "--strip-prefix backbone.")),
    "part_into_holder": ("keys", "CKPT301", ("without the `backbone.`", "model.backbone.load_state_dict")),
    "other_classes": ("keys", None, ("another number of classes", "3 in the file, 10 in the model", "`fc`")),
    "other_architecture": ("keys", None, ("another architecture",)),
    "more_layers": ("keys", None, ("more layers", "layers.4 to layers.7")),
    "whole_checkpoint": ("keys", "CKPT402", ('checkpoint["model"]',)),
    "whole_model": ("refused-value", "CKPT110", ("tests.why.provoke.Net",)),
    "namespace": ("refused-value", "CKPT110", ("argparse.Namespace", "vars(args)", "safe_globals")),
    "numpy_scalar": ("refused-value", "CKPT110", ("numpy._core.multiarray.scalar", "float(value)")),
    "path_entry": ("refused-value", "CKPT110", ("str(path)",)),
    "default_dict": ("refused-value", "CKPT110", ("collections.defaultdict",)),
    "runs_commands": ("refused-harmful", "CKPT312", ("malicious", "Do not load")),
    "html_page": ("start-known", None, ("HTML",)),
    "html_page_in_full": ("start-known", None, ("HTML",)),
    "lfs_pointer": ("start-known", None, ("git lfs pull",)),
    "lfs_pointer_in_full": ("start-known", None, ("git lfs pull",)),
    "gzip_archive": ("start-known", None, ("gzip",)),
    "newer_pickle": ("start-pickle", "CKPT312", ("protocol",)),
    "cut_off": ("truncated", "CKPT109", ("cut off",)),
    "cut_off_legacy": ("truncated", "CKPT109", ("cut off",)),
    "cut_off_pickle": ("truncated", "CKPT109", ("cut off",)),
    "empty_file": ("empty", "CKPT109", ("empty",)),
    "zeros": ("weights-only-tar", None, ("zeros",)),
    "plain_pickle": ("not-torch", "CKPT402", ("pickle.dump",)),
    "script_in_load": ("weights-only-torchscript", "CKPT402", ("torch.jit.load",)),
    "plain_in_script": ("jit-of-plain", "CKPT402", ("torch.load",)),
    "no_file": ("no-file", None, ("nowhere.pth",)),
    "folder": ("folder", None, ()),
    "path_as_state_dict": ("given-path", "CKPT309", ()),
    "method_as_state_dict": ("given-method", "CKPT104", ("parentheses",)),
    "model_as_state_dict": ("given-module", "CKPT402", ("Net",)),
    "none_as_state_dict": ("given-none", "CKPT401", ()),
    "map_location_misplaced": ("argument-of-load", "CKPT310", ("map_location",)),
    "strict_misplaced": ("argument-of-apply", "CKPT310", ()),
    "result_as_model": ("load-result", "CKPT308", ("in place",)),
    "state_dict_as_model": ("state-dict-as-model", "CKPT402", ()),
    "no_module": ("no-module", "CKPT106", ("Net is a bare model",)),
    "wrapper_attribute": ("wrapper-attribute", "CKPT106", ("`fc`",)),
    "entry_missing": ("entry-missing", "CKPT401", ("model_state_dict",)),
    "not_a_tensor": ("entry-not-a-tensor", "CKPT402", ()),
    "optimizer_groups": ("optimizer-groups", "CKPT501", ()),
    "optimizer_group_size": ("optimizer-group-size", "CKPT501", ()),
    "scheduler_resumed": ("scheduler-initial-lr", "CKPT502", ()),
    "scaler_empty": ("scaler-empty", "CKPT501", ()),
    "lazy_module": ("lazy", None, ()),
    "empty_model": ("to-meta", "CKPT503", ("assign=True",)),
    "mmap_of_legacy": ("mmap-legacy", None, ("--to torch",)),
    "mmap_of_stream": ("mmap-stream", None, ()),
    "stream_that_cannot_seek": ("not-seekable", None, ("BytesIO",)),
    "class_gone": ("class-gone", "CKPT103", ("Thing", "--state-dict")),
    "module_gone": ("module-gone", "CKPT103", ("vanished",)),
    "unknown_device": ("device-unknown", "CKPT311", ("abacus",)),
    "lambda_in_file": ("unpicklable", "CKPT103", ()),
    "no_folder_to_save": ("no-parent", None, ("makedirs",)),
}


def words_of(text: str) -> str:
    explanation = explain(text)
    assert explanation is not None, text
    remedies = [piece for one in explanation.do for piece in (one.text, one.code, one.command)]
    return "\n".join([explanation.title, *explanation.what, *remedies])


@pytest.mark.parametrize("name", EXPECTED)
def test_what_torch_says_is_understood(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    provoked: Callable[[], str] = getattr(provoke, name)
    text = provoked()
    topic, rule, words = EXPECTED[name]
    explanation = explain(text)
    assert explanation is not None, text
    assert explanation.topic == topic, text
    assert (explanation.rules[0] if explanation.rules else None) == rule, explanation.rules
    said = words_of(text)
    for word in words:
        assert word in said, said
    assert "{" not in explanation.title + "".join(explanation.what), "a hole was left open"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_file_from_a_gpu_on_a_machine_without():
    explanation = explain(provoke.said(lambda: provoke._deserialize("cuda:1")))
    assert explanation is not None
    assert (explanation.topic, explanation.rules) == ("cuda-file", ("CKPT311",))


def test_a_command_that_is_given_mends_the_file(tmp_path, monkeypatch):
    """What `why` tells to run, run: the mended file loads strictly."""
    import shlex

    from ckptlint.__main__ import main

    monkeypatch.chdir(tmp_path)
    cases = {
        "wrapped_into_bare": (torch.nn.DataParallel(provoke.Net()).state_dict(), provoke.Net()),
        "compiled_into_bare": (torch.compile(provoke.Net()).state_dict(), provoke.Net()),
        "loss_in_file": (provoke.Net(weights=torch.ones(3), loss=True).state_dict(), provoke.Net()),
        "holder_into_part": (provoke.Holder().state_dict(), provoke.Net()),
        "part_into_holder": (provoke.Net().state_dict(), provoke.Holder()),
        "bare_into_wrapped": (provoke.Net().state_dict(), torch.nn.DataParallel(provoke.Net())),
    }
    for name, (state_dict, model) in cases.items():
        torch.save(state_dict, f"{name}.pth")
        explanation = explain(getattr(provoke, name)())
        assert explanation is not None
        command = next(one.command for one in explanation.do if one.command.startswith("ckptlint repair"))
        words = shlex.split(command.replace("CHECKPOINT", f"{name}.pth"))[1:]
        words[words.index("-o") + 1] = f"{name}.mended.pth"
        assert main(words) == 0
        model.load_state_dict(torch.load(f"{name}.mended.pth"))
