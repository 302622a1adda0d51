"""From tensors of other shapes to what happened.

    fc.weight  file [1000, 512]  model [10, 512]
    fc.bias    file [1000]       model [10]
    ->  another number of classes: the file was trained for 1,000, this model is built for 10, at `fc`

One dimension that differs tells what it counts: outputs of the last layer, words of a vocabulary, positions, channels
of the input, the rank of an adapter. Where many tensors differ in many ways, the model is of another width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ckptlint.why.data import Remedy
from ckptlint.why.explanation import Said
from ckptlint.why.key_lists import SizeMismatch
from ckptlint.why.key_words import examples

_VOCABULARY = re.compile(
    r"(?:^|\.)(?:embed_tokens|word_embeddings?|wte|tok_embeddings?|token_embedding\w*|embed(?:ding)?s?|emb|lm_head"
    r"|decoder\.(?:weight|bias)|shared|embed_out|predictions\.bias)(?:\.|$)",
)
_POSITIONS = re.compile(
    r"pos(?:ition)?_?(?:al_?)?(?:embed|emb|enc)\w*|wpe\.|positional|relative_position|rel_pos|pos_table"
)
_ADAPTER = re.compile(r"(?:^|\.)lora_(?:A|B|down|up|embedding_A|embedding_B)\b")
_LOSS_WEIGHT = re.compile(r"(?:^|\.)(?:\w*criterion\w*|loss\w*|\w*_loss|ce|bce)\.(?:\w+\.)*(?:weight|pos_weight)$")
#: Last layers by the names that they go under.
_HEAD = re.compile(
    r"(?:^|\.)(?:fc\d?|head\w*|\w*head|classifier\w*|cls\w*|\w*_cls|logits|out(?:put)?(?:_layer|_proj|c)?|last_linear|linear"
    r"|score\w*|pred\w*|final\w*|conv_seg|aux\w*|bbox_pred|mask_predictor|box_predictor|class_embed|detect|prediction)(?:\.|$)",
    re.I,
)
_FEW = 8


def shape_story(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    """What the mismatched sizes say; None when there are none."""
    if not sizes:
        return None
    for story in (
        _sharded,
        _quantized,
        _old_scalars,
        _loss_weight,
        _adapter,
        _positions,
        _vocabulary,
        _outputs,
        _inputs,
    ):
        said = story(sizes, file)
        if said is not None:
            return said
    return _other_size(sizes, file)


def _list(sizes: Sequence[SizeMismatch], most: int = 3) -> str:
    return "; ".join(
        f"{one.key} {list(one.file)} in the file, {list(one.own)} in the model" for one in sizes[:most]
    ) + ("; ..." if len(sizes) > most else "")


def _sharded(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    if not all(0 in one.own or 0 in one.file for one in sizes):
        return None
    side = "model" if any(0 in one.own for one in sizes) else "file"
    if side == "model":
        what = (
            f"The model's parameters are empty here ({_list(sizes, 1)}): DeepSpeed ZeRO-3 or FSDP has spread them over "
            "the ranks."
        )
        do = Remedy(
            "Load before the model is sharded, or gather the parameters while loading:",
            "with deepspeed.zero.GatheredParameters(list(model.parameters()), modifier_rank=0):\n"
            "    model.load_state_dict(state_dict)",
        )
    else:
        what = (
            f"The file's tensors are empty ({_list(sizes, 1)}): it was saved under DeepSpeed ZeRO-3 or FSDP without "
            "gathering the parameters. The weights are in the shards, not in this file."
        )
        do = Remedy(
            "Put a full checkpoint together from the folder of shards:",
            "",
            "python zero_to_fp32.py FOLDER pytorch_model.bin",
        )
    return Said((what,), (do,), (), f"the {side}'s parameters are sharded")


def _quantized(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    flat = [
        one for one in sizes if len(one.own) == 2 and len(one.file) == 2 and (one.own[1] == 1) != (one.file[1] == 1)
    ]
    packed = [
        one
        for one in flat
        if _product(max(one.own, one.file, key=_product)) == 2 * _product(min(one.own, one.file, key=_product))
    ]
    if len(packed) < 0.8 * len(sizes) or not packed:
        return None
    side = "model" if packed[0].own[1] == 1 else "file"
    what = f"The {side}'s weights are packed, two numbers to a byte ({_list(packed, 1)}): they are quantized to 4 bits."
    do = Remedy("Load the full weights first and quantize after, or load with the quantization that the file has.")
    return Said((what,), (do,), (), f"the {side} is quantized to 4 bits")


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for number in shape:
        result *= number
    return result


def _old_scalars(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    if not all({one.file, one.own} == {(), (1,)} for one in sizes):
        return None
    what = f"Only scalars differ: [] on one side, [1] on the other ({_list(sizes, 1)}). torch before 0.4 had none."
    do = Remedy(
        "Reshape them as the model has them:",
        "own = model.state_dict()\n"
        "state_dict = {key: value.reshape(own[key].shape) for key, value in state_dict.items()}",
    )
    return Said((what,), (do,), (), "scalars of an old torch")


def _loss_weight(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    if not all(_LOSS_WEIGHT.search(one.key) for one in sizes):
        return None
    what = f"The class weights of a loss are part of the state dict, one for each class: {_list(sizes)}."
    drops = " ".join(f"--drop '{one.key}'" for one in sizes[:3])
    return Said(
        (what,),
        (
            Remedy("Leave them out of the file:", "", f"ckptlint repair {file} -o clean.pth {drops}"),
            Remedy(
                "Where the loss is built, keep its weight out of the state dict:",
                'self.register_buffer("weight", weight, persistent=False)',
            ),
        ),
        ("CKPT201",),
        "the loss inside the model has weights for another number of classes",
    )


def _adapter(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    if not all(_ADAPTER.search(one.key) for one in sizes):
        return None
    what = f"The adapters have another rank: {_list(sizes)}."
    return Said(
        (what,),
        (Remedy("Build the adapters with the rank (`r`) that the file was trained with."),),
        (),
        "LoRA of another rank",
    )


def _positions(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    if not all(_POSITIONS.search(one.key) for one in sizes):
        return None
    what = (
        f"The table of positions has another length: {_list(sizes)}. The model was built for another size of image, of "
        "patches, or another length of text."
    )
    return Said(
        (what,),
        (
            Remedy(
                "Build the model for the size that the file was trained with, or resample the table (timm: "
                "`resample_abs_pos_embed`)."
            ),
        ),
        (),
        "positions for another size of input",
    )


def _vocabulary(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    if not all(_VOCABULARY.search(one.key) and one.file[1:] == one.own[1:] for one in sizes if one.file and one.own):
        return None
    first = sizes[0]
    if not first.file or not first.own or max(first.file[0], first.own[0]) < 200:
        return None
    what = (
        f"The vocabulary has another size: {first.file[0]:,} entries in the file, {first.own[0]:,} in the model "
        f"({examples([one.key for one in sizes])}). Tokens were added, or another tokenizer is used."
    )
    return Said(
        (what,),
        (
            Remedy(
                "Give the model the file's size before loading, and change it after:",
                f"model.resize_token_embeddings({first.file[0]})\nmodel.load_state_dict(state_dict)",
            ),
        ),
        (),
        "another vocabulary",
    )


def _outputs(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    """Only the first dimension differs, in few tensors: as many outputs as classes."""
    if not all(one.file and one.own and len(one.file) == len(one.own) and one.file[1:] == one.own[1:] for one in sizes):
        return None
    changes = dict.fromkeys((one.file[0], one.own[0]) for one in sizes)
    layers = dict.fromkeys(one.key.rpartition(".")[0] or one.key for one in sizes)
    heads = [layer for layer in layers if _HEAD.search(layer)]
    if len(layers) > _FEW or (len(layers) > 2 and len(heads) < 0.5 * len(layers)):
        return None
    numbers = ", ".join(f"{given:,} in the file, {own:,} in the model" for given, own in list(changes)[:3])
    named = ", ".join(f"`{layer}`" for layer in list(layers)[:3]) + (", ..." if len(layers) > 3 else "")
    parts = "".join(f'{layer}.", "' for layer in list(layers)[:3]).removesuffix('", "')
    first_file, first_own = next(iter(changes))
    what = (
        f"{named} has another number of outputs: {numbers}. That is the number of classes (or what is predicted): the "
        "file was trained for another data set than this model is built for."
    )
    only = f'"{parts}"' if len(layers) == 1 else f'("{parts}")'
    as_is = Remedy(
        f"To use the file as it is, build the model with {first_file:,} classes:",
        f"model = Net(num_classes={first_file})",
    )
    aim = f"To fine-tune for {first_own:,} classes, leave the old head out"
    if not heads:
        aim, look = f"To go on with {first_own:,}, leave the old layer out", f"ckptlint inspect {file}"
        what = (
            f"{named} has another number of outputs: {numbers}. The file was saved from a model that was built with "
            "other settings: a width, a number of features, of joints, of classes, ..."
        )
        as_is = Remedy("Build the model with the settings of the run that saved. See what the file has:", "", look)
    return Said(
        (what,),
        (
            as_is,
            Remedy(
                f"{aim}, and let anything else still fail "
                "(strict=False alone does not help: it forgives missing keys, not other sizes):",
                f"kept = {{key: value for key, value in state_dict.items() if not key.startswith({only})}}\n"
                "result = model.load_state_dict(kept, strict=False)\n"
                "assert not result.unexpected_keys, result.unexpected_keys\n"
                f"assert all(key.startswith({only}) for key in result.missing_keys), result.missing_keys",
            ),
        ),
        (),
        "another number of classes" if heads else "another number of outputs",
    )


def _inputs(sizes: Sequence[SizeMismatch], file: str) -> Said | None:
    """One tensor, of which only the second dimension differs: the first convolution."""
    if len(sizes) > 2 or not all(
        len(one.file) == len(one.own) >= 2 and one.file[0] == one.own[0] and one.file[2:] == one.own[2:]
        for one in sizes
    ):
        return None
    one = sizes[0]
    convolution = len(one.file) > 2
    kind = "channels of the input" if convolution else "inputs"
    what = (
        f"`{one.key.rpartition('.')[0]}` takes another number of {kind}: {one.file[1]:,} in the file, {one.own[1]:,} "
        "in the model."
    )
    if convolution and min(one.file[1], one.own[1]) == 1 and max(one.file[1], one.own[1]) == 3:
        what += " One was built for colour images, the other for grey ones."
        text = "Build the model for the file's input, or add up the weights of the three colours:"
        code = f'state_dict["{one.key}"] = state_dict["{one.key}"].sum(dim=1, keepdim=True)'
        return Said((what,), (Remedy(text, code if one.file[1] == 3 else ""),), (), "another number of input channels")
    text = (
        "Build the model for the input that the file was trained with (its channels, its features, its size of images)."
    )
    return Said((what,), (Remedy(text),), (), f"another number of {kind}")


def _other_size(sizes: Sequence[SizeMismatch], file: str) -> Said:
    turned = [one for one in sizes if len(one.file) == 2 and one.file == one.own[::-1] and one.file[0] != one.file[1]]
    if len(turned) > 0.5 * len(sizes):
        what = f"Weights are transposed: {_list(turned)}. They come from TensorFlow, JAX or a Conv1D of GPT-2."
        return Said((what,), (Remedy("Transpose them when they are loaded:", "value.t()"),), (), "transposed weights")
    number = len(sizes)
    what = (
        f"{number} tensor{'s have' if number > 1 else ' has'} another shape: {_list(sizes)}. The keys agree, so it is "
        "the same architecture in another size (width, depth, kernel or input size)."
    )
    return Said(
        (what,),
        (
            Remedy(
                "Build the model with the settings of the run that saved. See what the file has:",
                "",
                f"ckptlint inspect {file}",
            ),
            Remedy("strict=False does not help here: it forgives missing keys, not other shapes."),
        ),
        (),
        "another size of the same architecture",
    )
