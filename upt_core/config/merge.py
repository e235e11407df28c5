"""How one configuration goes on top of another.

Mappings are merged key by key; everything else (text, numbers, lists, null) replaces what is below. A mapping that
names another plugin than the one below replaces it whole: parameters belong to a plugin and do not pass to another.
"""

from __future__ import annotations

from typing import Any

from upt_core.config.yaml_text import Keys, Origins

Data = dict[Any, Any]


def merge(base: Data, base_origins: Origins, top: Data, top_origins: Origins) -> tuple[Data, Origins]:
    """The data of ``top`` over that of ``base``, and the origin of every value of the result."""
    origins = dict(base_origins)
    return _merge(base, top, (), origins, top_origins), origins


def replace_origins(origins: Origins, path: Keys, new: Origins) -> None:
    """Forgets the origins of a value and of all in it, and notes those of the value that takes its place."""
    for known in [known for known in origins if known[: len(path)] == path]:
        del origins[known]
    origins.update({known: place for known, place in new.items() if known[: len(path)] == path})


def open_bare_name(value: Any, path: Keys, origins: Origins) -> Any:
    """A plugin given by its bare name (``sampler: uniform``) as the mapping that it stands for."""
    if not isinstance(value, str):
        return value
    origins[(*path, "name")] = origins.get(path, "")
    return {"name": value}


def other_plugin(base: Data, name: Any) -> bool:
    """Whether ``name`` is that of another plugin than the mapping below names."""
    return isinstance(name, str) and isinstance(base.get("name"), str) and base["name"] != name


def _merge(base: Data, top: Data, path: Keys, origins: Origins, top_origins: Origins) -> Data:
    if path in top_origins:
        origins[path] = top_origins[path]
    merged = dict(base)
    for key, value in top.items():
        where = (*path, key)
        below = base.get(key)
        if isinstance(value, dict):
            below = open_bare_name(below, where, origins)
        if isinstance(value, dict) and isinstance(below, dict) and not other_plugin(below, value.get("name")):
            merged[key] = _merge(below, value, where, origins, top_origins)
        else:
            replace_origins(origins, where, top_origins)
            merged[key] = value
    return merged
