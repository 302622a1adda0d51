"""Write what is generated: docs/rules from the rules' docstrings, and the README's table of configuration keys.

python docs/generate.py            write
python docs/generate.py --check    exit with 1 when something is not current
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import msgspec

from ckptlint import config
from ckptlint.cli.rule import page
from ckptlint.rules.base import Registry

HOME = Path(__file__).resolve().parent.parent
_TABLE = re.compile(r"(<!-- configuration table:.*?-->\n).*?(<!-- end of the table -->)", re.DOTALL)
_NOTICE = "<!-- written by docs/generate.py from the docstring of the rule -->\n\n"


def generated() -> dict[Path, str]:
    """The text of every generated file."""
    registry = Registry.builtin()
    files = {
        HOME / "docs" / "rules" / f"{code}.md": f"{_NOTICE}{page(rule)}\n" for code, rule in registry.rules.items()
    }
    files[HOME / "docs" / "rules" / "README.md"] = _overview(registry)
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    files[HOME / "README.md"] = _TABLE.sub(lambda match: match[1] + configuration_table() + match[2], readme)
    return files


def stale() -> list[Path]:
    """Pages of rules that are no longer there."""
    return sorted(set((HOME / "docs" / "rules").glob("*.md")) - set(generated()))


def configuration_table() -> str:
    """The keys of `[tool.ckptlint]` with their meaning, from the class that reads them."""
    rows = ["| key | meaning |", "|---|---|"]
    meanings = _meanings(config.Table)
    rows += [f"| `{field.encode_name}` | {meanings[field.name]} |" for field in msgspec.structs.fields(config.Table)]
    return "\n".join(rows) + "\n"


def _overview(registry: Registry) -> str:
    rows = ["# Rules", "", "| code | name | finds | severity | default | fix |", "|---|---|---|---|---|---|"]
    for code, rule in registry.rules.items():
        default = "on" if rule.default else "off"
        summary = rule.summary().rstrip(".")
        facts = f"{summary} | {rule.severity.value} | {default} | {rule.fixable} |"
        rows.append(f"| [{code}]({code}.md) | {rule.name} | {facts}")
    return "\n".join(rows) + "\n"


def _meanings(struct: type) -> dict[str, str]:
    """The string under each field of a class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(struct))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return found


def main() -> int:
    """Write, or check."""
    check = "--check" in sys.argv[1:]
    changed = [path for path, text in generated().items() if not path.is_file() or path.read_text("utf-8") != text]
    if not check:
        for path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated()[path], encoding="utf-8")
        for path in stale():
            path.unlink()
    for path in changed:
        print(f"{'not current' if check else 'written'}: {path.relative_to(HOME)}")
    return 1 if check and (changed or stale()) else 0


if __name__ == "__main__":
    sys.exit(main())
