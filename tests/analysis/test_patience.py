"""Functions that only compute are followed a few times; what makes models is always followed."""

from __future__ import annotations

from pathlib import Path

from ckptlint.analysis.patience import CALLS
from ckptlint.analysis.solve import AnalysisSettings, Project, solve
from ckptlint.facts.store import FactStore

#: A computation of some hundred steps, and a factory that comes through it; each script uses both.
LIBRARY = f"""
import torch

class Bar:
    def __init__(self, total):
{chr(10).join(f"        self.a{i} = total + {i} if total > {i} else total * {i} - 1" for i in range(60))}

def build(name):
{chr(10).join(f"    width{i} = name + '{i}' if name > '{i}' else name * {i}" for i in range(60))}
    net = torch.nn.Linear(2, 2)
    return torch.nn.DataParallel(net)
"""
SCRIPT = """
import torch
from library import Bar, build

if __name__ == "__main__":
    bar = Bar(100)
    net = build("x")
    torch.save(net.state_dict(), f"{bar.a0}.pth")
"""


def run(root: Path, scripts: int) -> Project:
    (root / "library.py").write_text(LIBRARY)
    names = [f"train{number}.py" for number in range(scripts)]
    for name in names:
        (root / name).write_text(SCRIPT)
    return solve(FactStore(root, ["library.py", *names]), AnalysisSettings(jobs=1))


def test_what_only_computes_costs_no_more_after_a_few_calls(tmp_path: Path) -> None:
    many = run(tmp_path, 4 * CALLS)
    bar = next(i for i, info in enumerate(many.machine.functions) if info.name == "__init__")
    assert many.machine.patience.is_over(many.machine.functions[bar].place)


def test_every_script_still_saves_what_the_factory_wraps(tmp_path: Path) -> None:
    saves = run(tmp_path, 4 * CALLS).events.saves
    assert len({save.site.file for save in saves}) == 4 * CALLS
    assert all(part.content is not None and part.content.prefix == "module." for save in saves for part in save.parts)
