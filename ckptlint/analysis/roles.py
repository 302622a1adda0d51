"""Which values are the optimizer, the scheduler, the gradient scaler or the averaged weights of a training run.

By their class, where it is known (torch.optim.SGD, a project's subclass of it); else by how they are called
(`self.optimizer`, `create_scheduler(...)`): see knowledge/training.toml.
"""

from __future__ import annotations

import re

from ckptlint.knowledge import Keeps, Role

_COUNT = re.compile(r"(?i)epoch|iter|step|best|start|resume|round")


class Roles:
    """The roles by names; each name is looked at once."""

    def __init__(self, roles: tuple[Role, ...], keeps: Keeps) -> None:
        self._roles = roles
        self._words = {role.name: [re.compile(word, re.IGNORECASE) for word in role.words] for role in roles}
        self._not = {role.name: [re.compile(word, re.IGNORECASE) for word in role.not_words] for role in roles}
        self._keeps = re.compile("|".join(keeps.words), re.IGNORECASE)
        self._by_class: dict[str, str] = {}
        self._by_symbol: dict[str, str] = {}
        self._keeping: dict[str, bool] = {}
        self._counting: dict[str, bool] = {}
        #: The methods by which a role is known to be in use.
        self.used_by = {role.name: role.used_by for role in roles}

    def of_class(self, name: str) -> str:
        """The role of objects of a class, or of what a function gives, by its dotted name; "" for none."""
        known = self._by_class.get(name)
        if known is None:
            # the later roles are the more special ones: torch.optim.lr_scheduler.* against torch.optim.*
            found = (role.name for role in reversed(self._roles) if _matches(name, role.classes))
            known = self._by_class[name] = next(found, "")
        return known

    def of_symbol(self, symbol: str) -> str:
        """The role of a value that is not known, by what it is called."""
        known = self._by_symbol.get(symbol)
        if known is None:
            known = self._by_symbol[symbol] = self._called(symbol)
        return known

    def keeps_all(self, name: str) -> bool:
        """Whether a call of a library, by the last part of its name, saves or loads all state by itself."""
        known = self._keeping.get(name)
        if known is None:
            known = self._keeping[name] = self._keeps.search(name) is not None
        return known

    def counts(self, name: str) -> bool:
        """Whether a value of that name tells how far training has come: `start_epoch`, `global_step`, `best_acc`."""
        known = self._counting.get(name)
        if known is None:
            known = self._counting[name] = _COUNT.search(name) is not None
        return known

    def _called(self, symbol: str) -> str:
        plain = symbol.partition("@")[0]
        if plain.startswith("getattr("):
            return self.of_class(plain[len("getattr(") :].partition(",")[0] + ".Class")
        if plain.endswith(")"):
            return self.of_class(plain.partition("(")[0])
        last = re.split(r"[.\[]", plain)[-1].strip("]'\"")
        for name, words in self._words.items():
            if any(word.search(last) for word in words) and not any(word.search(last) for word in self._not[name]):
                return name
        return ""


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(
        name.startswith(one[:-1])
        if one.endswith("*")
        else name.endswith(one[1:])
        if one.startswith("*")
        else name == one
        for one in patterns
    )
