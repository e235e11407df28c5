"""pydantic's errors → problems of a configuration: place, what came, what was expected, and by whom."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from upt_core.config.document import Document
from upt_core.config.merge import NAMED_BY_USER
from upt_core.config.owners import Model, keys_of, owner_of
from upt_core.config.schema import PluginConfig
from upt_core.config.sections import ExperimentSettings
from upt_core.config.yaml_text import Keys
from upt_core.errors import Problem
from upt_core.registry import Registry
from upt_core.wording import names_a_type, what_is_wrong

MOST = 100
"""Problems that are told one by one: nobody reads more, and looking for the nearest key to each takes time."""


def problems_of(error: ValidationError, document: Document, registry: Registry) -> list[Problem]:
    """Every error of a validation, in the order of the configuration; alternatives of one value are one problem."""
    found: dict[Keys, list[dict[str, Any]]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_path_in(document.data, item["loc"], item["type"]), []).append(dict(item))
    shown = dict(list(found.items())[:MOST])
    problems = [
        _problem(path, items, document, registry)
        for path, items in shown.items()
        if not (_is_choice(path, items) and any(other[: len(path)] == path and other != path for other in shown))
    ]
    if len(found) > MOST:
        problems.append(Problem((), f"and {len(found) - MOST} more problems; correct the ones above first"))
    return problems


def _problem(path: Keys, items: list[dict[str, Any]], document: Document, registry: Registry) -> Problem:
    origin = document.origin(path)
    if items[0]["type"] == "refused":
        return Problem(path, what_is_wrong(items), origin, "", _declared_by(owner_of(document.data, path, registry)))
    owner = owner_of(document.data, path[:-1], registry)
    if items[0]["type"] == "extra_forbidden":
        return _unknown_key(path, owner, origin)
    if path[:-1] in NAMED_BY_USER and items[0]["input"] is None:
        return nothing_to_remove(path, origin, _others(document.data, path))
    field = keys_of(owner).get(str(path[-1])) if owner is not None and path else None
    return Problem(path, what_is_wrong(items), origin, (field.description if field else "") or "", _declared_by(owner))


def nothing_to_remove(path: Keys, origin: str, others: list[str]) -> Problem:
    """A null over an entry that is not there; ``others`` are those that are."""
    near = difflib.get_close_matches(str(path[-1]), others, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    message = "null removes an entry, but there is no entry with this name"
    return Problem(path, message, origin, f"{meant}there are: {', '.join(others)}" if others else "remove the line")


def _others(data: Any, path: Keys) -> list[str]:
    for key in path[:-1]:
        data = data[key]
    return [str(key) for key, value in data.items() if value is not None]


def _is_choice(path: Keys, items: list[dict[str, Any]]) -> bool:
    """Whether all errors at a path come from alternatives of a union, which say less than an error further in."""
    return all(len(item["loc"]) > len(path) and names_a_type(item) for item in items)


def _unknown_key(path: Keys, owner: Model | None, origin: str) -> Problem:
    known = list(keys_of(owner)) if owner is not None else []
    hint = _meant(path, known)
    return Problem(path, "unknown key", origin, f"{hint}known keys: {', '.join(known)}", _declared_by(owner))


def _meant(path: Keys, known: list[str]) -> str:
    """The same key in another place, or the nearest one here."""
    key = str(path[-1])
    if len(path) > 1 and key in ExperimentSettings.model_fields:
        return f"{key!r} is a key at the root of the experiment; write it without {'.'.join(map(str, path[:-1]))!r}. "
    if len(path) == 1 and "." in key:
        return f"{key!r} is a path, as on the command line; in a file, nest mappings instead. "
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def _declared_by(owner: Model | None) -> str:
    return str(owner.entry) if owner is not None and issubclass(owner, PluginConfig) else ""


def _path_in(data: Any, loc: tuple[str | int, ...], kind: str) -> Keys:
    """The keys of a pydantic location that exist in the data: unions add labels of their own."""
    path: list[str | int] = []
    for i, key in enumerate(loc):
        in_list = isinstance(data, list) and isinstance(key, int) and key < len(data)
        if in_list or (isinstance(data, Mapping) and key in data):
            path.append(key)
            data = data[key]
        elif i == len(loc) - 1 and kind == "missing":
            path.append(key)
    return tuple(path)
