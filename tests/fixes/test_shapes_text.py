"""The text that the shapes write, and what they decline."""

from __future__ import annotations

import pytest

from ckptlint.findings import Edit
from ckptlint.fixes.shapes.expression import primary, repeatable
from ckptlint.fixes.shapes.loss_weight import LossWeight, not_saved
from ckptlint.fixes.shapes.names import fresh
from ckptlint.fixes.shapes.prefix import anchored
from ckptlint.fixes.shapes.reader import Declined, Reader, normalised
from ckptlint.fixes.shapes.statements import after, before
from ckptlint.fixes.shapes.unwrap import Chain, Wrapper, unwrapped

from .place import applied, opened, span

IMPORTS = (
    "from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present as consume\nfrom torch import nn\n"
)
PARALLEL = Chain((Wrapper("module"),))
ALWAYS = Chain((Wrapper("module", always=True),))


@pytest.mark.parametrize(
    ("expression", "wrappers", "expected"),
    [
        ("model", [Wrapper("module", always=True)], "model.module"),
        ("a or b", [Wrapper("module", always=True)], "(a or b).module"),
        ("(a)(b)", [Wrapper("module", always=True)], "(a)(b).module"),
        ("nets[\n    'g']", [Wrapper("module", always=True)], "nets[\n    'g'].module"),
        ("build()", [Wrapper("module", always=True)], "build().module"),
        ("m", [Wrapper("_orig_mod", always=True), Wrapper("module", always=True)], "m._orig_mod.module"),
        ("m", [Wrapper("_orig_mod")], 'getattr(m, "_orig_mod", m)'),
        ("m", [Wrapper("module", classes=("MyDP",))], "(m.module if isinstance(m, MyDP) else m)"),
        (
            "self.nets['g']",
            [Wrapper("module")],
            "(self.nets['g'].module if isinstance(self.nets['g'], (nn.DataParallel, "
            "nn.parallel.DistributedDataParallel)) else self.nets['g'])",
        ),
        (
            "m",
            [Wrapper("_orig_mod", always=True), Wrapper("module", classes=("B", "A"))],
            "(m._orig_mod.module if isinstance(m._orig_mod, (A, B)) else m._orig_mod)",
        ),
        ("build()", [Wrapper("module")], "unwrap_model(build())"),
        ("m", [Wrapper("_orig_mod"), Wrapper("module")], "unwrap_model(m)"),
    ],
)
def test_unwrapping(expression: str, wrappers: list[Wrapper], expected: str) -> None:
    made = unwrapped(opened(IMPORTS), expression, Chain(tuple(wrappers)))
    assert made is not None
    assert made.text == expected
    assert bool(made.edits) == ("unwrap_model" in expected)


def test_what_is_no_expression_is_declined() -> None:
    assert unwrapped(opened(IMPORTS), "x = 1", ALWAYS) is None


def test_what_takes_off_all_wrappers_is_not_called_on_its_own_result() -> None:
    chain = Chain((Wrapper("_orig_mod"),), any_order=True)
    once = unwrapped(opened(IMPORTS), "build(config)", chain)
    assert once is not None
    assert once.text == "unwrap_model(build(config))"
    assert unwrapped(opened(IMPORTS), once.text, chain) is None


def read(
    body: str, call: str, file: Chain = PARALLEL, target: Chain = ALWAYS, used_again: bool = False
) -> str | Declined:
    """Mend the reader `call` in the one statement between «»; the text after the imports."""
    text = IMPORTS + body.replace("«", "").replace("»", "")
    statement = body[body.index("«") + 1 : body.index("»")]
    edits = normalised(opened(text), Reader(span(text, statement), span(text, call), file, target, used_again))
    return edits if isinstance(edits, Declined) else applied(text, edits).removeprefix(IMPORTS)


def test_a_local_that_is_not_used_again_is_changed_in_place() -> None:
    assert read("«net.load_state_dict(weights)»\n", "net.load_state_dict(weights)") == (
        'consume(weights, "module.")\nnet.module.load_state_dict(weights)\n'
    )


def test_the_other_arguments_results_comments_and_lines_stay() -> None:
    made = read(
        "def f(net, ckpt):\n"
        "    # weights\n"
        "    «missing, unexpected = net.load_state_dict(\n"
        '        ckpt["net"],  # the weights\n'
        "        strict=False,\n"
        "    )»  # and\n"
        "    return missing\n",
        'net.load_state_dict(\n        ckpt["net"],  # the weights\n        strict=False,\n    )',
    )
    assert made == (
        "def f(net, ckpt):\n"
        "    # weights\n"
        '    state_dict = ckpt["net"]\n'
        '    consume(state_dict, "module.")\n'
        "    missing, unexpected = net.module.load_state_dict(\n"
        "        state_dict,  # the weights\n"
        "        strict=False,\n"
        "    )  # and\n"
        "    return missing\n"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "print(net.load_state_dict(sd))",
        "return net.load_state_dict(sd)",
        "assert not net.load_state_dict(sd).missing_keys",
        "x: int = net.load_state_dict(sd)",
        'print("loaded", net.load_state_dict(sd), f())',
        "a = [net.load_state_dict(sd)]",
        "y = net.load_state_dict(sd) or 1",
        "y = 1 if net.load_state_dict(sd) else 2",
        "await net.load_state_dict(state_dict=sd, strict=True)",
    ],
)
def test_statements_in_which_a_load_may_stand(statement: str) -> None:
    call = statement[statement.index("net.") : statement.index(")", statement.index("net.")) + 1]
    made = read(f"async def g(net, sd):\n    «{statement}»\n", call)
    assert made == (
        f'async def g(net, sd):\n    consume(sd, "module.")\n    {statement.replace("net.", "net.module.")}\n'
    )


CONDITION = "the load stands in a lambda, a comprehension or a condition"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("f = lambda: net.load_state_dict(sd)", CONDITION),
        ("[net.load_state_dict(sd) for sd in ()]", CONDITION),
        ("x = net.load_state_dict(sd) if sd else None", CONDITION),
        ("sd and net.load_state_dict(sd)", CONDITION),
        ("assert sd, net.load_state_dict(sd)", CONDITION),
        ("x = 1 < 2 < net.load_state_dict(sd)", CONDITION),
        ("if net.load_state_dict(sd): pass", "the load stands in the head of a block"),
        ("change(sd), net.load_state_dict(sd)", "other calls of the same statement run before the load"),
        ("net.load_state_dict(*sd)", "the state dict is not a plain argument of the call"),
        ("net.load_state_dict(**sd)", "the state dict is not a plain argument of the call"),
        ("super().load_state_dict(sd)", "the load is that of a base class"),
        ("print(f'{net.load_state_dict(sd)}')", "there is no call of load_state_dict at this place"),
        ("net.load(sd)", "there is no call of load_state_dict at this place"),
    ],
)
def test_what_cannot_be_moved_is_declined(statement: str, reason: str) -> None:
    at = statement.index("super" if "super" in statement else "net.")
    call = statement[at : statement.index(")", at + 8) + 1]
    assert read(f"«{statement}»\n", call) == Declined(reason)


def test_evaluating_the_state_dict_first_must_not_overtake_another_call() -> None:
    statement = "build().load_state_dict(torch.load('a'))"
    assert isinstance(read(f"«{statement}»\n", statement), Declined)
    assert read("«build().load_state_dict(sd)»\n", "build().load_state_dict(sd)") == (
        'consume(sd, "module.")\nbuild().module.load_state_dict(sd)\n'
    )


def test_a_call_inside_an_f_string_before_the_load_counts_too() -> None:
    statement = 'print(f"{change(sd)}", net.load_state_dict(sd))'
    assert isinstance(read(f"«{statement}»\n", "net.load_state_dict(sd)"), Declined)
    statement = 'print(f"{sd}", net.load_state_dict(sd))'
    assert isinstance(read(f"«{statement}»\n", "net.load_state_dict(sd)"), str)


def test_a_load_on_the_line_of_its_condition_gets_lines_of_its_own() -> None:
    assert read("if resume: «net.load_state_dict(sd)»  # go on\n", "net.load_state_dict(sd)") == (
        'if resume:\n    consume(sd, "module.")\n    net.module.load_state_dict(sd)  # go on\n'
    )


def test_a_load_among_semicolons_stays_among_them() -> None:
    body, call = "x = 1; «net.load_state_dict(sd)»; y = 2\n", "net.load_state_dict(sd)"
    assert read(body, call) == 'x = 1; consume(sd, "module."); net.module.load_state_dict(sd); y = 2\n'
    assert read(body, call, used_again=True) == Declined("the load shares its line with other code")


def test_names_that_are_taken_are_not_touched() -> None:
    made = read("state_dict = 1\n«net.load_state_dict(c['x'])»\nprint(state_dict)\n", "net.load_state_dict(c['x'])")
    assert isinstance(made, str)
    assert "model_state_dict = c['x']\n" in made
    assert fresh("model", frozenset({"model", "model_2"})) == "model_3"
    assert fresh("list", frozenset()) == "list_2"


@pytest.mark.parametrize("state", ["a\n    .b", "a\n    - b", "a\n-b"])
def test_a_state_dict_over_several_lines_is_put_in_parentheses(state: str) -> None:
    made = read(f"«net.load_state_dict({state})»\n", f"net.load_state_dict({state})")
    assert isinstance(made, str)
    assert f"state_dict = ({state})\n" in made


def test_tabs_and_wide_characters_are_kept() -> None:
    body = "if 'é𝄞':\n\tif x: «net.load_state_dict({'é𝄞': sd}['é𝄞'], strict=True)»\n"
    made = read(body, "net.load_state_dict({'é𝄞': sd}['é𝄞'], strict=True)")
    assert made == (
        "if 'é𝄞':\n\tif x:\n\t\tstate_dict = {'é𝄞': sd}['é𝄞']\n"
        "\t\tconsume(state_dict, 'module.')\n\t\tnet.module.load_state_dict(state_dict, strict=True)\n"
    )


def test_only_the_target_is_changed_where_the_file_is_known_to_be_bare() -> None:
    assert read("«net.load_state_dict(sd)»\n", "net.load_state_dict(sd)", Chain(), ALWAYS) == (
        "net.module.load_state_dict(sd)\n"
    )


@pytest.mark.parametrize(
    ("expression", "python", "expected"),
    [
        ('k.replace("module.", "")', (3, 9), 'k.removeprefix("module.")'),
        ("k.replace('module.', '', 1)", (3, 9), "k.removeprefix('module.')"),
        ("k.replace(prefix, '')", (3, 9), "k.removeprefix(prefix)"),
        ('k.lstrip("module.")', (3, 8), '(k[len("module."):] if k.startswith("module.") else k)'),
        ("k[7:]", (3, 9), 'k.removeprefix("module.")'),
        ("k[7:]", (3, 8), '(k[len("module."):] if k.startswith("module.") else k)'),
        ("k[len(prefix):]", (3, 9), "k.removeprefix(prefix)"),
        ("str(k)[7:]", (3, 9), 'str(k).removeprefix("module.")'),
        ("(a + k)[7:]", (3, 9), '(a + k).removeprefix("module.")'),
        ("str(k)[7:]", (3, 8), None),  # would run twice
        ("k[6:]", (3, 9), None),  # some other prefix
        ("k[7:9]", (3, 9), None),
        ("k[7]", (3, 9), None),
        ('k.replace("module.", "model.")', (3, 9), None),
        ('k.rstrip("module.")', (3, 9), None),
        ('k.replace(  # why\n"module.", "")', (3, 9), None),
        ("k[", (3, 9), None),
    ],
)
def test_anchoring_a_prefix(expression: str, python: tuple[int, int], expected: str | None) -> None:
    assert anchored(expression, "module.", python) == expected


@pytest.mark.parametrize(
    ("text", "is_repeatable"),
    [("a.b", True), ("a['x'][-1]", True), ("a[i, j]", True), ("f()", False), ("a[f()]", False), ("(a := 1)", False)],
)
def test_what_may_be_evaluated_twice(text: str, is_repeatable: bool) -> None:
    assert repeatable(text) is is_repeatable


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", "a"), ("f(x)", "f(x)"), ("(a or b)", "(a or b)"), ("(a) or (b)", "((a) or (b))"), ("await x", "(await x)")],
)
def test_parentheses_only_where_an_attribute_would_bind_wrongly(text: str, expected: str) -> None:
    assert primary(text) == expected


def test_statements_after_another_follow_its_comment() -> None:
    text = "class A:\n    def f(self):\n        self.ce = C(\n            w)  # why\n"
    put = after(opened(text), span(text, "self.ce = C(\n            w)"), ["b = 1", "c = 2"])
    assert applied(text, [put]) == text + "        b = 1\n        c = 2\n"


def test_statements_after_the_last_line_of_a_file_without_a_newline() -> None:
    put = after(opened("x = 1  # no"), span("x = 1  # no", "x = 1"), ["y = 2"])
    assert applied("x = 1  # no", [put]) == "x = 1  # no\ny = 2"


def test_statements_after_one_that_shares_its_line() -> None:
    text = "if w: x = 1\n"
    put = after(opened(text), span(text, "x = 1"), ["y = 2"])
    assert applied(text, [put]) == "if w: x = 1; y = 2\n"
    assert before(opened("a; b\n"), span("a; b\n", "b"), ["if x:\n    y"]) is None


def test_two_losses_of_one_class_are_mended_together() -> None:
    text = "import torch\n\n\nclass A:\n    def f(self):\n        self.a = 1\n        self.b.c = 2\n"
    edits: list[Edit] = []
    for statement, loss in (("self.a = 1", "a"), ("self.b.c = 2", "b.c")):
        found = not_saved(opened(text), LossWeight(span(text, statement), "self", loss), (2, 6))
        edits += found
    made = applied(text, edits)
    assert 'state_dict.pop(prefix + "a.weight", None)' in made
    assert 'state_dict.pop(prefix + "b.c.weight", None)' in made
    assert "self.register_load_state_dict_pre_hook(drop_b_c_weight)\n" in made
