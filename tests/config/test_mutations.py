"""Whatever a stranger does to a configuration: a located message, and never another exception."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Ge, Gt

from upt_core import ConfigError
from upt_core.config.document import read
from upt_core.config.owners import keys_of, owner_of
from upt_core.config.quick_check import check_quickly
from upt_core.config.settings import validate
from upt_core.config.yaml_text import Keys, dump_yaml
from upt_core.registry import Registry

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
BOMB = "b0: &b0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 9)
)


class Mutant:
    """One shipped configuration and the ways to spoil it. Every way takes a random place."""

    def __init__(self, path: Path, registry: Registry, rng: random.Random) -> None:
        self.data = read(path).data
        self.registry = registry
        self.rng = rng

    def unknown_key(self) -> str:
        mapping = self.at(self.rng.choice([path for path, value in _walk(self.data) if isinstance(value, dict)]))
        mapping["".join(self.rng.choices("abcdefgh", k=6))] = self.rng.choice([1, [], {"a": 1}, None])
        return dump_yaml(self.data)

    def wrong_type(self) -> str:
        *parent, key = self.rng.choice([path for path, value in _walk(self.data) if not isinstance(value, dict | list)])
        self.at(parent)[key] = {"a": [1, {}]}
        return dump_yaml(self.data)

    def out_of_bound(self) -> str:
        *parent, key = self.rng.choice([path for path, value in _walk(self.data) if self._has_bound(path, value)])
        self.at(parent)[key] = -7
        return dump_yaml(self.data)

    def missing(self) -> str:
        *parent, key = self.rng.choice([path for path, _ in _walk(self.data) if path and self._is_required(path)])
        del self.at(parent)[key]
        return dump_yaml(self.data)

    def key_twice(self) -> str:
        lines = dump_yaml(self.data).splitlines()
        i = self.rng.choice([i for i, line in enumerate(lines) if re.match(r" *\w+:", line)])
        return "\n".join([*lines[: i + 1], lines[i], *lines[i + 1 :]])

    def tab(self) -> str:
        lines = dump_yaml(self.data).splitlines()
        i = self.rng.choice([i for i, line in enumerate(lines) if line.startswith("  ")])
        return "\n".join([*lines[:i], "\t" + lines[i].strip(), *lines[i + 1 :]])

    def unclosed_quote(self) -> str:
        lines = dump_yaml(self.data).splitlines()
        i = self.rng.choice([i for i, line in enumerate(lines) if re.match(r" *\w+: \w", line)])
        lines[i] = lines[i].replace(": ", ': "', 1)
        return "\n".join(lines)

    def anchor_bomb(self) -> str:
        return dump_yaml(self.data) + BOMB

    def binary(self) -> bytes:
        return self.rng.randbytes(500) + b"\x00\xff"

    def empty(self) -> str:
        return self.rng.choice(["", "\n\n", "# only words\n", "---\n", "null\n"])

    def at(self, path: Any) -> Any:
        found: Any = self.data
        for key in path:
            found = found[key]
        return found

    def _field(self, path: Keys) -> Any:
        owner = owner_of(self.data, path[:-1], self.registry)
        return keys_of(owner).get(str(path[-1])) if owner is not None and path else None

    def _has_bound(self, path: Keys, value: Any) -> bool:
        field = self._field(path)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and field is not None and any(isinstance(item, Ge | Gt) for item in field.metadata)

    def _is_required(self, path: Keys) -> bool:
        field = self._field(path)
        return field is not None and (field.is_required() or path[-1] == "name")


def _walk(data: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    yield path, data
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _walk(value, (*path, key))


WAYS: list[Callable[[Mutant], str | bytes]] = [
    Mutant.unknown_key,
    Mutant.wrong_type,
    Mutant.out_of_bound,
    Mutant.missing,
    Mutant.key_twice,
    Mutant.tab,
    Mutant.unclosed_quote,
    Mutant.anchor_bomb,
    Mutant.binary,
    Mutant.empty,
]
WITHOUT_A_LINE = (Mutant.binary, Mutant.empty)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_mutant_is_refused_with_a_place(
    tmp_path: Path, registry: Registry, way: Callable[[Mutant], str | bytes], number: int
) -> None:
    rng = random.Random(f"{way.__name__} {number}")
    spoilt = way(Mutant(rng.choice(CONFIGS), registry, rng))
    path = tmp_path / "spoilt.yaml"
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())
    place = r"spoilt\.yaml" if way in WITHOUT_A_LINE else r"spoilt\.yaml:\d+:\d+: "
    with pytest.raises(ConfigError, match=place) as caught:
        validate(read(path), registry)
    assert all(re.search(place, str(problem)) and problem.message for problem in caught.value.problems)
    with pytest.raises(ConfigError) as quick:  # the same is found without importing a plugin
        check_quickly(read(path), registry)
    assert quick.value.problems == caught.value.problems


def test_dumped_configurations_are_right_as_long_as_nobody_spoils_them(tmp_path: Path, registry: Registry) -> None:
    for config in CONFIGS:
        path = tmp_path / "whole.yaml"
        path.write_text(dump_yaml(read(config).data))
        assert validate(read(path), registry)
