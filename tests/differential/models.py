"""The model classes of a generated project, with the losses that some of them register.

`Net` is always `features` (a small Sequential) and `head`. What differs is its base, its decoration and its loss: a
loss that is registered on the model with a weight puts that weight into the state dict, and a model that is built
elsewhere without the weight then refuses the file.
"""

from __future__ import annotations

import textwrap

import msgspec

from .draft import Draft, function, indented
from .spec import Spec

WEIGHT = "$torch.tensor([1.0, 2.0])"


class Loss(msgspec.Struct, frozen=True):
    """How `Net` comes to its loss.

    `parameter` is what `Net.__init__` takes for it, `register` the lines in `__init__`, `train`/`test` the arguments
    that the two sides give, and `chain` what is called on a new `Net` that is given its loss by `method`. With `inside`
    the forward pass returns the loss, computed as `value`.
    """

    parameter: str = ""
    register: str = ""
    train: str = ""
    test: str = ""
    inside: bool = True
    value: str = "self.criterion(logits, y)"
    before: str = ""
    method: str = ""
    chain: str = ""


_WEIGHTS = "class_weights=None"
_OUTSIDE = Loss(inside=False)
LOSSES: dict[str, Loss] = {
    "functional": _OUTSIDE,
    "outside": _OUTSIDE,
    "full": _OUTSIDE,
    "piece": _OUTSIDE,
    "stateless": Loss(register="self.criterion = $nn.CrossEntropyLoss()  #@register"),
    "weighted": Loss(_WEIGHTS, "self.criterion = $nn.CrossEntropyLoss(weight=class_weights)  #@register", WEIGHT),
    "bce_pos": Loss(
        _WEIGHTS,
        "self.criterion = $nn.BCEWithLogitsLoss(pos_weight=class_weights)  #@register",
        WEIGHT,
        value="self.criterion(logits, $F.one_hot(y, 2).float())",
    ),
    "passed": Loss(
        "criterion",
        "self.criterion = criterion  #@register",
        f"$nn.CrossEntropyLoss(weight={WEIGHT})",
        "$nn.CrossEntropyLoss()",
    ),
    "factory": Loss(_WEIGHTS, 'self.criterion = $build_loss("ce", class_weights)  #@register', WEIGHT),
    "registry": Loss(_WEIGHTS, 'self.criterion = $LOSSES["ce"](weight=class_weights)  #@register', WEIGHT),
    "nested": Loss(_WEIGHTS, "self.criterion = $SegmentationLoss(class_weights)  #@register", WEIGHT),
    "subclass": Loss(_WEIGHTS, "self.criterion = $WeightedLoss(class_weights)  #@register", WEIGHT),
    "conditional": Loss(
        "balanced=False",
        f"weight = {WEIGHT} if balanced else None\nself.criterion = $nn.CrossEntropyLoss(weight=weight)  #@register",
        "args.balanced",
        "args.balanced",
    ),
    "later": Loss(
        register="self.criterion = $nn.CrossEntropyLoss()  #@register", before=f"self.criterion.weight = {WEIGHT}"
    ),
    "registered": Loss(
        _WEIGHTS, 'self.criterion = $LOSSES.build("WeightedLoss", weight=class_weights)  #@register', WEIGHT
    ),
    "nested_later": Loss(register="self.criterion = $BalancedLoss()  #@register"),
    "fluent": Loss(
        register="self.criterion = None",
        method="""
            def with_loss(self, weight):
                self.criterion = $nn.CrossEntropyLoss(weight=weight)  #@register
                return self
        """,
        chain=f".with_loss({WEIGHT})",
    ),
    "configured": Loss(
        _WEIGHTS,
        'options = {"weight": class_weights}\nself.criterion = $nn.CrossEntropyLoss(**options)  #@register',
        WEIGHT,
    ),
    "by_name": Loss(
        _WEIGHTS, 'self.criterion = getattr($nn, "CrossEntropyLoss")(weight=class_weights)  #@register', WEIGHT
    ),
    "module_dict": Loss(
        _WEIGHTS,
        'self.losses = $nn.ModuleDict({"ce": $nn.CrossEntropyLoss(weight=class_weights)})  #@register',
        WEIGHT,
        value='self.losses["ce"](logits, y)',
    ),
    "held": Loss(register=f"self.objective = $Objective({WEIGHT})", value="self.objective.value(logits, y)"),
    "listed": Loss(
        register=f"self.losses = [$nn.CrossEntropyLoss(weight={WEIGHT})]", value="self.losses[0](logits, y)"
    ),
    "non_persistent": Loss(
        _WEIGHTS,
        "self.criterion = $nn.CrossEntropyLoss(weight=class_weights)\n"
        'self.criterion.register_buffer("weight", class_weights, persistent=False)',
        WEIGHT,
    ),
    "learnable": Loss(
        register="self.criterion = $nn.AdaptiveLogSoftmaxWithLoss(2, 3, cutoffs=[1])",
        value="self.criterion(logits, y).loss",
    ),
}

_HELD = """
    class Objective:
        def __init__(self, weight):
            self.ce = $nn.CrossEntropyLoss(weight=weight)

        def value(self, logits, y):
            return self.ce(logits, y)
"""
_SUPPORT: dict[str, tuple[str, str]] = {
    "factory": (
        "build_loss",
        """
        def build_loss(name, weight=None):
            if name == "ce":
                return $nn.CrossEntropyLoss(weight=weight)
            if name == "mse":
                return $nn.MSELoss()
            raise ValueError(name)
        """,
    ),
    "registry": ("LOSSES", 'LOSSES = {"ce": $nn.CrossEntropyLoss, "nll": $nn.NLLLoss}'),
    "nested": (
        "SegmentationLoss",
        """
        class SegmentationLoss($nn.Module):
            def __init__(self, weight=None):
                super().__init__()
                self.nll_loss = $nn.NLLLoss(weight=weight)

            def forward(self, logits, y):
                return self.nll_loss($F.log_softmax(logits, dim=1), y)
        """,
    ),
    "subclass": (
        "WeightedLoss",
        """
        class WeightedLoss($nn.CrossEntropyLoss):
            def __init__(self, weight=None):
                super().__init__(weight=weight)
        """,
    ),
    "held": ("Objective", _HELD),
    "registered": (
        "LOSSES",
        """
        class Registry:
            def __init__(self):
                self._classes = {}

            def register(self, cls):
                self._classes[cls.__name__] = cls
                return cls

            def build(self, name, **options):
                return self._classes[name](**options)


        LOSSES = Registry()


        @LOSSES.register
        class WeightedLoss($nn.Module):
            def __init__(self, weight=None):
                super().__init__()
                self.ce = $nn.CrossEntropyLoss(weight=weight)

            def forward(self, logits, y):
                return self.ce(logits, y)
        """,
    ),
    "nested_later": (
        "BalancedLoss",
        f"""
        class BalancedLoss($nn.Module):
            def __init__(self):
                super().__init__()
                self.nll_loss = $nn.NLLLoss()

            def forward(self, logits, y):
                self.nll_loss.weight = {WEIGHT}
                return self.nll_loss($F.log_softmax(logits, dim=1), y)
        """,
    ),
}
_FULL = """
    class FullModel($nn.Module):
        def __init__(self, model, loss):
            super().__init__()
            self.model = model
            self.loss = loss  #@register

        def forward(self, x, y):
            return self.loss(self.model(x), y)
"""


_DECORATORS = {"": ["@$torch.compile"], "_partial": ["@$partial($torch.compile, dynamic=False)"]}


def define_models(draft: Draft, spec: Spec) -> None:
    """Put `Net`, and what it needs, in the model's file."""
    loss = LOSSES[spec["loss"]]
    if spec["loss"] in _SUPPORT:
        draft.define("losses", *_SUPPORT[spec["loss"]])
    base = "$LightningModule" if spec["net"] == "lightning" else "$nn.Module"
    features = "$nn.Sequential($nn.Linear(4, 4), $nn.BatchNorm1d(4), $nn.ReLU())"
    if spec["net"] == "backbone":
        features = "$Backbone(4)"
        draft.define(
            "model",
            "Backbone",
            """
            class Backbone($nn.Module):
                def __init__(self, width):
                    super().__init__()
                    self.fc1 = $nn.Linear(4, width)
                    self.bn1 = $nn.BatchNorm1d(width)

                def forward(self, x):
                    return $F.relu(self.bn1(self.fc1(x)))
            """,
        )
    init = [
        "super(Net, self).__init__()" if spec["net"] == "old_super" else "super().__init__()",
        f"self.features = {features}",
    ]
    logits = "self.head(self.features(x))"
    if spec["net"] == "own_module":
        init.append("self.module = $nn.Linear(4, 4)")
        logits = "self.head(self.module(self.features(x)))"
    if spec["holder"] == "own_init":
        wrapper = {"compile": "$torch.compile", "user_dp": "$PatchedParallel"}.get(spec["wrap"], "$DP")
        own = f"self.features = {wrapper}(self.features)"
        init += ["if $torch.cuda.device_count() > 1:", f"    {own}"] if spec["when"] == "gpus" else [own]
    init += ["self.head = $nn.Linear(4, 2)", *loss.register.splitlines()]
    forward = []
    if spec["holder"] == "forward":
        wrapper = "$PatchedParallel" if spec["wrap"] == "user_dp" else "$DP"
        always = f"if not isinstance(self.features, {wrapper}):"
        several = f"if $torch.cuda.device_count() > 1 and not isinstance(self.features, {wrapper}):"
        forward += [several if spec["when"] == "gpus" else always, f"    self.features = {wrapper}(self.features)"]
    forward.append(f"logits = {logits}")
    forward += loss.before.splitlines()
    forward.append(f"return {loss.value}" if loss.inside else "return logits")
    source = [
        *_DECORATORS.get(spec["net"].removeprefix("compiled_class"), ()),
        f"class Net({base}):",
        f"    def __init__(self{', ' if loss.parameter else ''}{loss.parameter}):",
        indented(init, 8),
        "",
        *("    " + line for line in _DECORATORS.get(spec["net"].removeprefix("compiled_forward"), ())),
        f"    def forward(self, x{', y' if loss.inside else ''}):",
        indented(forward, 8),
        *(["", textwrap.indent(textwrap.dedent(loss.method).strip("\n"), "    ")] if loss.method else []),
    ]
    draft.define("model", "Net", "\n".join(source))
    if spec["loss"] in ("full", "piece"):
        draft.define("model", "FullModel", _FULL)


def net_expression(spec: Spec, train: bool) -> str:
    """The call that builds the model to be wrapped and saved, or to be loaded into."""
    loss = LOSSES[spec["loss"]]
    with_weight = train or spec["test_loss"] == "same"
    net = f"$Net({loss.train if with_weight else loss.test}){loss.chain if with_weight else ''}"
    if spec["loss"] == "full":
        return f"$FullModel({net}, $nn.CrossEntropyLoss({f'weight={WEIGHT}' if with_weight else ''}))"
    return net


def fit_source(spec: Spec) -> str:
    """`train_one_epoch(model)`: one real step, so that saved tensors differ from fresh ones."""
    inside = LOSSES[spec["loss"]].inside or spec["loss"] in ("full", "piece")
    body = ["optimizer = $torch.optim.SGD(model.parameters(), lr=0.1)"]
    if spec["loss"] == "outside":
        body.append(f"criterion = $nn.CrossEntropyLoss(weight={WEIGHT})")
    body.append("x, y = $torch.randn(4, 4), $torch.randint(0, 2, (4,))")
    if spec["loss"] == "outside":
        body.append("loss = criterion(model(x), y)")
    else:
        body.append("loss = model(x, y)" if inside else "loss = $F.cross_entropy(model(x), y)")
    body += ["optimizer.zero_grad()", "loss.backward()", "optimizer.step()"]
    return function("train_one_epoch(model)", body)
