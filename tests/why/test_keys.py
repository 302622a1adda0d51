"""From lists of keys to what happened, without torch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptlint.why.data import load_known
from ckptlint.why.explain import explain
from ckptlint.why.key_lists import KeyLists, key_lists
from ckptlint.why.key_story import key_story

KNOWN = load_known()

names = st.from_regex(r"[a-z]{3,8}(\.[0-9]{1,2})?\.[a-z]{3,8}\.(weight|bias)", fullmatch=True)
bodies = st.lists(names, min_size=3, max_size=30, unique=True)
marks = st.sampled_from(["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module."])


def torch_says(missing: list[str], unexpected: list[str], model: str = "Net") -> str:
    """The text that torch makes of these lists."""
    said = []
    if missing:
        said.append("Missing key(s) in state_dict: {}. ".format(", ".join(f'"{key}"' for key in missing)))
    if unexpected:
        said.append("Unexpected key(s) in state_dict: {}. ".format(", ".join(f'"{key}"' for key in unexpected)))
    return "RuntimeError: Error(s) in loading state_dict for {}:\n\t{}".format(model, "\n\t".join(said))


def story(missing: list[str], unexpected: list[str], *, cut: bool = False) -> str:
    said = key_story(KeyLists(tuple(missing), tuple(unexpected), model="Net", cut=cut), KNOWN, "a.pth")
    return "\n".join([said.title, *said.what, *(one.command for one in said.do), *said.rules])


@given(bodies, bodies)
def test_lists_are_read_as_torch_wrote_them(missing, unexpected):
    lists = key_lists(torch_says(missing, unexpected))
    assert (list(lists.missing), list(lists.unexpected), lists.cut) == (missing, unexpected, False)


@given(bodies, marks)
def test_marks_of_wrappers_are_found_on_the_file_s_side(keys, mark):
    said = key_story(KeyLists(tuple(keys), tuple(mark + key for key in keys), model="Net"), KNOWN, "a.pth")
    assert [(one.old, one.new, one.count) for one in said.renamed] == [(mark, "", len(keys))]


@given(bodies, marks)
def test_and_on_the_model_s_side(keys, mark):
    said = key_story(KeyLists(tuple(mark + key for key in keys), tuple(keys), model="Net"), KNOWN, "a.pth")
    assert [(one.old, one.new, one.count) for one in said.renamed] == [("", mark, len(keys))]


@given(bodies, marks, st.data())
def test_a_cut_list_still_tells_the_side(keys, mark, data):
    """Of both lists only the first keys are there, so that perhaps no key stands in both."""
    shown = data.draw(st.integers(1, len(keys)))
    both = data.draw(st.booleans())
    missing = keys[:shown] if both else []
    said = key_story(KeyLists(tuple(missing), tuple(mark + key for key in keys), cut=True), KNOWN, "a.pth")
    assert [(one.old, one.new) for one in said.renamed] == [(mark, "")]


def test_a_loss_in_a_wrapped_model_is_no_matter_of_the_wrapper():
    """Nothing is missing, so the model's own keys carry `module.` too."""
    text = torch_says([], ["module.criterion.nll_loss.weight"])
    explanation = explain(text)
    assert explanation is not None
    assert explanation.rules == ("CKPT201",)
    alone = explain('Unexpected key(s) in state_dict: "module.criterion.nll_loss.weight".')
    assert alone is not None
    assert alone.rules == ("CKPT201",)


def test_a_wrapper_and_a_loss_at_once():
    keys = ["conv.weight", "conv.bias", "fc.weight"]
    said = story(keys, [f"module.{key}" for key in keys] + ["module.criterion.weight"])
    assert "3 of 4 unexpected keys would fit without the `module.`" in said
    assert "belongs to a loss" in said
    assert said.endswith("CKPT101\nCKPT301\nCKPT201")


def test_counters_of_batch_norm_that_torch_does_not_list_as_missing():
    missing = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]
    said = story(missing, [f"module.{key}" for key in [*missing, "bn.num_batches_tracked"]])
    assert "left over" not in said
    assert "counters" not in said


def test_counters_that_an_old_file_lacks():
    said = story(["layer1.bn.num_batches_tracked", "bn1.num_batches_tracked"], [])
    assert "counters of BatchNorm, which files older than torch 0.4.1" in said


@pytest.mark.parametrize(
    ("missing", "unexpected", "words"),
    [
        ([], ["total_ops", "total_params", "conv.total_ops"], "thop"),
        ([], ["embeddings.position_ids"], "transformers before 4.31"),
        (["conv.weight"], ["conv.weight_g", "conv.weight_v"], "weight_norm"),
        (["fc.weight"], ["fc.weight_orig", "fc.weight_mask"], "pruned"),
        (["ln.weight", "ln.bias"], ["ln.gamma", "ln.beta"], "--rename '*.gamma=*.weight'"),
        ([], ["n_averaged"], "AveragedModel"),
        ([], ["q.lora_A.default.weight", "q.lora_B.default.weight"], "adapters of LoRA"),
        ([], ["fc.scale", "fc.zero_point", "fc._packed_params._packed_params"], "quantiz"),
        (["layers.12.attn.weight", "layers.13.attn.weight"], [], "more layers"),
        ([], ["aux_classifier.0.weight", "aux_classifier.4.bias"], "--drop 'aux_classifier.4.bias'"),
        (["neck.0.weight", "neck.1.bias"], [], "`neck` (2)"),
        (["head.weight", "head.bias"], ["fc.weight", "fc.bias"], "--rename fc=head"),
        (["conv.weight"], ["epoch", "state_dict", "optimizer", "arch"], 'checkpoint["state_dict"]'),
    ],
)
def test_families_parts_and_entries(missing, unexpected, words):
    said = key_story(KeyLists(tuple(missing), tuple(unexpected), model="Net"), KNOWN, "a.pth")
    text = "\n".join([said.title, *said.what, *(one.command + one.code for one in said.do)])
    assert words in text


def test_a_renamed_part_among_many():
    body = [f"layer{a}.{b}.conv.weight" for a in range(4) for b in range(3)]
    said = story([f"encoder.{key}" for key in body], [f"backbone.{key}" for key in body])
    assert "All 12 unexpected keys are missing ones with `backbone.` in place of `encoder.`" in said
    assert "--rename backbone=encoder" in said


def test_keys_that_were_cut_where_there_was_no_prefix():
    keys = ["conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.0.bn1.bias"]
    said = story(keys, [key[7:] for key in keys])
    assert "lost their first 7 characters" in said
    assert said.endswith("CKPT306")
    said = story(keys, [key.lstrip("module.") for key in keys if key.lstrip("module.") != key])
    assert "lstrip('module.')" in said
    assert said.endswith("CKPT307")


def test_a_wrapped_model_by_the_name_of_its_class():
    text = torch_says([], ["conv1.weight", "conv1.bias"], "DataParallel")
    explanation = explain(text)
    assert explanation is not None
    assert explanation.title == "the model's keys carry `module.`, the file's do not"


def test_half_an_error_says_that_it_is_half():
    explanation = explain('Missing key(s) in state_dict: "c1.conv.weight", "c1.conv.bias",')
    assert explanation is not None
    assert "Only the missing keys were pasted" in explanation.what[0]


def test_another_size_of_a_network_is_told_once():
    """resnet18's file into resnet50: keys are missing, and shapes differ."""
    missing = [f"layer{n}.0.conv3.weight" for n in range(1, 5)] + [f"layer{n}.2.conv1.weight" for n in range(1, 5)]
    changes = [(f"layer{n}.0.conv1.weight", [64, 64, 3, 3], [64, 64, 1, 1]) for n in range(1, 7)]
    explanation = explain(torch_says(missing, []) + "\n\t" + sizes(*changes).partition("\n\t")[2])
    assert explanation is not None
    assert explanation.title == "another size of the same architecture"
    assert explanation.rules == ()


def sizes(*changes: tuple[str, list[int], list[int]]) -> str:
    """What torch says of other shapes."""
    lines = [
        f"size mismatch for {key}: copying a param with shape torch.Size({file}) from checkpoint, the shape in current "
        f"model is torch.Size({own})."
        for key, file, own in changes
    ]
    return "RuntimeError: Error(s) in loading state_dict for Net:\n\t" + "\n\t".join(lines)


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ([("fc.weight", [1000, 512], [10, 512]), ("fc.bias", [1000], [10])], "another number of classes"),
        ([("roi_heads.box_predictor.cls_score.weight", [91, 1024], [2, 1024])], "another number of classes"),
        ([("conv1.weight", [64, 3, 7, 7], [64, 1, 7, 7])], "another number of input channels"),
        (
            [
                ("model.embed_tokens.weight", [32000, 4096], [32003, 4096]),
                ("lm_head.weight", [32000, 4096], [32003, 4096]),
            ],
            "another vocabulary",
        ),
        ([("pos_embed", [1, 197, 768], [1, 577, 768])], "positions for another size of input"),
        (
            [("q.lora_A.default.weight", [8, 64], [16, 64]), ("q.lora_B.default.weight", [64, 8], [64, 16])],
            "LoRA of another rank",
        ),
        ([("criterion.weight", [21], [19])], "the loss inside the model has weights for another number of classes"),
        ([("a.weight", [64, 32], [0])], "the model's parameters are sharded"),
        ([("q.weight", [4096, 4096], [8388608, 1])], "the model is quantized to 4 bits"),
        ([(f"l{n}.weight", [512, 512], [768, 768]) for n in range(12)], "another size of the same architecture"),
        ([("h.weight", [768, 2304], [2304, 768])], "transposed weights"),
        ([("s", [], [1])], "scalars of an old torch"),
    ],
)
def test_shapes(changes, title):
    explanation = explain(sizes(*changes))
    assert explanation is not None
    assert explanation.title == title
    assert [one.key for one in explanation.keys.sizes] == [key for key, _, _ in changes]


def test_a_key_of_which_nothing_is_left_is_in_the_list() -> None:
    """`key[7:]` of a short name is the empty string, and torch lists it as such."""
    keys = ["offset", "encoder.0.fc.weight", "encoder.1.fc.weight", "encoder.1.fc.bias"]
    lists = key_lists(torch_says(keys, [key[7:] for key in keys]))
    assert (lists.unexpected, lists.cut) == (("", ".0.fc.weight", ".1.fc.weight", ".1.fc.bias"), False)
    said = story(list(lists.missing), list(lists.unexpected))
    assert "first 7 characters" in said
    assert "CKPT306" in said


@pytest.mark.parametrize("count", [2, 40])
def test_what_is_left_out_of_a_wrapped_model_s_file_is_not_all_of_it(count: int) -> None:
    said = story([], [f"module.teacher.layers.{number}.weight" for number in range(count)])
    assert "module.teacher" in said
    assert "--drop 'module.*'" not in said


def test_counters_alone_are_the_whole_story_and_beside_more_they_are_not() -> None:
    counters = [f"norm{number}.num_batches_tracked" for number in range(3)]
    assert "counters of BatchNorm, which the file has" in story([], counters).split("\n")[0]
    assert "counters" not in story([], [*counters, "aux.weight", "aux.bias"]).split("\n")[0]


def test_another_size_of_a_layer_that_is_no_head_is_not_called_classes() -> None:
    sizes = "size mismatch for {}.weight: copying a param with shape torch.Size([8, 4]) from checkpoint, the shape in "
    sizes += "current model is torch.Size([2, 4])."
    said = [
        explain(f"RuntimeError: Error(s) in loading state_dict for Net:\n\t{sizes.format(name)}", KNOWN)
        for name in ("gaze.1", "fc")
    ]
    assert [one.title for one in said if one is not None] == ["another number of outputs", "another number of classes"]
