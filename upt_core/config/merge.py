"""How one configuration goes on top of another: a file over those it extends, then ``key.path=value`` overrides.

Mappings are merged key by key; everything else (text, numbers, lists, null) replaces what is below. A mapping that
names another plugin than the one below replaces it whole: parameters belong to a plugin and do not pass to another.
In the mappings whose names are the user's (``NAMED_BY_USER``), null takes the entry below away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from upt_core.config.yaml_text import MAX_DEPTH, Keys, Origins, parse_yaml
from upt_core.errors import ConfigError, Problem

Data = dict[Any, Any]
COMMAND_LINE = "command line"
"""What origins of overrides begin with."""
NAMED_BY_USER: frozenset[Keys] = frozenset({("losses",), ("validation", "metrics"), ("tasks",)})
"""Where an entry is a choice of its own, so that null over it means none; null is no value there."""


def merge(base: Data, base_origins: Origins, top: Data, top_origins: Origins) -> tuple[Data, Origins]:
    """The data of ``top`` over that of ``base``, and the origin of every value of the result."""
    origins = dict(base_origins)
    changes = _Changes(set(), set())
    merged = _merge(base, top, (), origins, top_origins, changes)
    _replace(origins, changes.replaced, top_origins)
    _replace(origins, changes.removed, {})
    return merged, origins


class _Changes(NamedTuple):
    """Which values are those of the top, and which are taken away: their origins change all at once, in one pass."""

    replaced: set[Keys]
    removed: set[Keys]


def _merge(base: Data, top: Data, path: Keys, origins: Origins, top_origins: Origins, changes: _Changes) -> Data:
    if path in top_origins:
        origins[path] = top_origins[path]
    merged = dict(base)
    for key, value in top.items():
        where = (*path, key)
        below = base.get(key)
        if value is None and path in NAMED_BY_USER and key in base:
            changes.removed.add(where)
            del merged[key]
            continue
        if isinstance(value, dict):
            below = open_bare_name(below, where, origins)
        if isinstance(value, dict) and isinstance(below, dict) and not other_plugin(below, value.get("name")):
            merged[key] = _merge(below, value, where, origins, top_origins, changes)
        else:
            changes.replaced.add(where)
            merged[key] = value
    return merged


def replace_origins(origins: Origins, path: Keys, new: Origins) -> None:
    """Forgets the origins of a value and of all in it, and notes those of the value that takes its place."""
    _replace(origins, {path}, new)


def _replace(origins: Origins, paths: set[Keys], new: Origins) -> None:
    def is_inside(known: Keys) -> bool:
        return any(known[:end] in paths for end in range(len(known) + 1))

    for known in [known for known in origins if is_inside(known)]:
        del origins[known]
    origins.update({known: place for known, place in new.items() if is_inside(known)})


def open_bare_name(value: Any, path: Keys, origins: Origins) -> Any:
    """A plugin given by its bare name (``sampler: uniform``) as the mapping that it stands for."""
    if not isinstance(value, str):
        return value
    origins[(*path, "name")] = origins.get(path, "")
    return {"name": value}


def other_plugin(base: Data, name: Any) -> bool:
    """Whether ``name`` is that of another plugin than the mapping below names."""
    return isinstance(name, str) and isinstance(base.get("name"), str) and base["name"] != name


@dataclass(frozen=True)
class Override:
    """One ``key.path=value``, parsed."""

    path: tuple[str, ...]
    value: Any
    origin: str

    @property
    def rank(self) -> tuple[int, int]:
        """Plugins are chosen before their parameters are set, outer ones first; the user's order counts otherwise."""
        return (0, len(self.path)) if self.path[-1] == "name" else (1, 0)


def apply_overrides(data: dict[Any, Any], origins: Origins, overrides: Sequence[str]) -> list[Problem]:
    """Sets each ``key.path=value`` in place, and returns what is wrong with them.

    The value replaces what is there, also where it is a mapping. Mappings on the way are made where they are absent;
    an item of a list is addressed by its number, and the number after the last adds one. ``sampler.name=other``
    drops the parameters of the plugin that was there; ``sampler.name`` counts before other overrides.
    """
    problems: list[Problem] = []
    parsed = []
    for text in overrides:
        try:
            parsed.append(parse_override(text))
        except ConfigError as error:
            problems += error.problems
    for override in sorted(parsed, key=lambda override: override.rank):
        try:
            _set(data, origins, override)
        except ConfigError as error:
            problems += error.problems
    return problems


def parse_override(text: str) -> Override:
    """One override from its text.

    Raises:
        ConfigError: no ``=``, an empty key, a value that is not YAML, or one that a comment cuts off.
    """
    key, equals, value = text.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not equals or not all(parts):
        hint = "for example trainer.epochs=3"
        raise ConfigError(
            [Problem((), f"{text[:200]!r} is not an override; expected key.path=value", COMMAND_LINE, hint)]
        )
    if len(parts) > MAX_DEPTH:
        message = f"the key has {len(parts)} parts; expected at most {MAX_DEPTH}"
        raise ConfigError([Problem((), message, COMMAND_LINE)])
    origin = f"{COMMAND_LINE} ({text[:200]})"
    parsed = parse_yaml(value, origin, show_place=False)[0]
    kept = re.split(r"(?:^|\s)#", value)[0]
    if kept != value and (parsed is None or str(parsed) == kept.strip()):
        message = f"text after # is a comment in YAML, so the value would be {kept.strip()!r}"
        hint = f"""put the value in quotes: '{key}="{value}"'"""
        raise ConfigError([Problem(parts, message, origin, hint)])
    return Override(parts, parsed, origin)


def _set(data: dict[Any, Any], origins: Origins, override: Override) -> None:
    container: Any = data
    path: Keys = ()
    for part in override.path[:-1]:
        key = _key(container, part, path, override)
        path = (*path, key)
        found = _get(container, key)
        inner = open_bare_name(found, path, origins)
        if not isinstance(inner, dict | list):
            inner = {}
        _put(container, key, inner)
        container = inner
    key = _key(container, override.path[-1], path, override)
    if override.value is None and path in NAMED_BY_USER and key in container:
        del container[key]
        replace_origins(origins, (*path, key), {})
        return
    if key == "name" and other_plugin(container, override.value):
        container.clear()
        replace_origins(origins, path, {path: override.origin})
    _put(container, key, override.value)
    replace_origins(origins, (*path, key), {(*path, key): override.origin})


def _key(container: Any, part: str, path: Keys, override: Override) -> str | int:
    """The key of a part of the path: in a list its number, in a mapping the word (or the number, if that is a key)."""
    number = int(part) if part.isdecimal() and len(part) < 9 else None
    if isinstance(container, list):
        if number is None or number > len(container):
            message = f"{part!r} is not an item of this list of {len(container)}; expected a number from 0"
            raise ConfigError([Problem(path, message, override.origin)])
        return number
    return number if number is not None and number in container else part


def _get(container: Any, key: Any) -> Any:
    if isinstance(container, list):
        return container[key] if key < len(container) else None
    return container.get(key)


def _put(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, list) and key == len(container):
        container.append(value)
    else:
        container[key] = value
