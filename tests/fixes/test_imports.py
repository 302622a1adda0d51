"""How a file names a class of torch, and where an import or a function is added."""

from __future__ import annotations

import ast

import pytest

from ckptlint.fixes.edit import apply_edits
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import (
    CONSUME_PREFIX,
    COPY,
    DATA_PARALLEL,
    DISTRIBUTED_DATA_PARALLEL,
    Wanted,
    reference,
)
from ckptlint.fixes.shapes.top_level import with_function

from .place import opened


def named(text: str, wanted: Wanted) -> tuple[str, str]:
    """The expression, and the file with what it needs."""
    found = reference(opened(text), wanted)
    made = apply_edits(text, found.edits)
    ast.parse(made)
    return found.expression, made


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("import torch\n", "torch.nn.DataParallel"),
        ("import torch as th\n", "th.nn.DataParallel"),
        ("import torch.nn as nn\n", "nn.DataParallel"),
        ("from torch import nn\nimport torch\n", "nn.DataParallel"),
        ("from torch.nn import DataParallel as DP\nfrom torch import nn\n", "DP"),
        ("from torch.nn.parallel import DataParallel\n", "DataParallel"),
        ("import torch\ndef f():\n    import torch\n", "torch.nn.DataParallel"),
    ],
)
def test_a_name_in_scope_is_used(text: str, expression: str) -> None:
    assert named(text, DATA_PARALLEL) == (expression, text)


def test_distributed_data_parallel_is_not_a_name_of_torch_nn() -> None:
    assert named("import torch.nn as nn\n", DISTRIBUTED_DATA_PARALLEL)[0] == "nn.parallel.DistributedDataParallel"


@pytest.mark.parametrize(
    "text",
    [
        "import os\n",
        "from torch import nn\n\ndef f(nn):\n    pass\n",  # bound to another thing somewhere
        "from torch import nn\nfor nn in (): pass\n",
        "if True:\n    from torch import nn\n",
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
        "def f():\n    import torch\n",
        "from .torch import nn\n",
    ],
)
def test_a_name_that_may_mean_something_else_is_not(text: str) -> None:
    expression, made = named(text, DATA_PARALLEL)
    assert expression == "DataParallel"
    assert "from torch.nn.parallel import DataParallel\n" in made.split("if True")[0]


def test_a_name_that_is_taken_gets_an_alias() -> None:
    assert named("import os\nclass DataParallel: pass\n", DATA_PARALLEL) == (
        "DataParallel_2",
        "import os\nfrom torch.nn.parallel import DataParallel as DataParallel_2\nclass DataParallel: pass\n",
    )
    assert named("copy = 1\n", COPY)[1].startswith("import copy as copy_2\n")


def test_a_method_of_that_name_does_not_take_it() -> None:
    assert named("x = {}.copy()\n", COPY) == ("copy", "import copy\n\nx = {}.copy()\n")


NEW = "from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ('"""Doc."""\n', "\n"),
        ("#!/usr/bin/env python\n# License\n\n", ""),
        ("from __future__ import annotations\n", ""),
        ("import os\nimport sys\n", "\nif sys:\n    import json\n"),
        ("import os\nos.chdir('x')\nimport torch\nimport json\n", "import_me = 1\nimport re\n"),
        ("from torch import (  # all of it\n    nn,\n    optim,\n)  # done\n", "x = 1\n"),
        ("import os; x = '''\n'''\n", "y = 1\n"),
    ],
)
def test_an_import_goes_to_the_imports_of_torch_or_the_first_ones(before: str, after: str) -> None:
    added = f"\n{NEW}" if before.startswith('"""') else NEW
    assert named(before + after, CONSUME_PREFIX)[1] == before + added + after


def test_an_import_goes_before_the_first_statement_and_its_decorators() -> None:
    assert named("@a\ndef f(): pass\n", CONSUME_PREFIX)[1] == f"{NEW}\n\n@a\ndef f(): pass\n"
    assert named("x = 1\n", CONSUME_PREFIX)[1] == f"{NEW}\nx = 1\n"


def test_a_last_line_without_a_newline_is_ended_first() -> None:
    assert named("import os", CONSUME_PREFIX)[1] == f"import os\n{NEW}"


def test_old_python_is_declined() -> None:
    assert File.read("a.py", "print 'x'\n") is None


def test_warnings_of_the_parser_about_the_file_are_not_shown(recwarn: pytest.WarningsRecorder) -> None:
    assert File.read("a.py", r"x = '\d'") is not None
    assert list(recwarn) == []


FUNCTION = "def {name}(model):\n    return model"


def function_added(text: str) -> tuple[str, str]:
    name, edits = with_function(opened(text), "unwrap_model", FUNCTION)
    return name, apply_edits(text, edits)


def test_a_function_is_added_below_the_imports() -> None:
    assert function_added("import os\n\n\nx = 1\n") == (
        "unwrap_model",
        "import os\n\n\ndef unwrap_model(model):\n    return model\n\n\nx = 1\n",
    )
    assert function_added("import os\nx = 1\n")[1] == (
        "import os\n\n\ndef unwrap_model(model):\n    return model\n\n\nx = 1\n"
    )
    assert function_added("x = 1\n")[1] == "def unwrap_model(model):\n    return model\n\n\nx = 1\n"


def test_the_same_function_is_used_again_and_another_of_its_name_is_not() -> None:
    _, made = function_added("import os\n")
    assert function_added(made) == ("unwrap_model", made)
    other = made.replace("return model", "return None")
    assert function_added(other)[0] == "unwrap_model_2"
