"""pydantic's errors → problems of a configuration: place, what came, what was expected, and by whom."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from upt_core.config.document import Document
from upt_core.config.owners import Model, keys_of, owner_of
from upt_core.config.schema import PluginConfig
from upt_core.config.shown import shown
from upt_core.config.yaml_text import Keys
from upt_core.errors import Problem
from upt_core.registry import Registry

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "list_type": "a list",
    "tuple_type": "a list",
    "none_required": "null",
    "literal_error": "{expected}",
}
_BOUNDS = {
    "missing": "is missing",
    "greater_than": "must be greater than {gt}; got {input}",
    "greater_than_equal": "must be at least {ge}; got {input}",
    "less_than": "must be less than {lt}; got {input}",
    "less_than_equal": "must be at most {le}; got {input}",
    "multiple_of": "must be a multiple of {multiple_of}; got {input}",
    "too_short": "needs at least {min_length} items; it has {actual_length}",
    "too_long": "may have at most {max_length} items; it has {actual_length}",
    "string_too_short": "needs at least {min_length} characters; got {input}",
    "string_too_long": "may have at most {max_length} characters; got {input}",
    "string_pattern_mismatch": "does not match {pattern}; got {input}",
}


def problems_of(error: ValidationError, document: Document, registry: Registry) -> list[Problem]:
    """Every error of a validation, in the order of the configuration; alternatives of one value are one problem."""
    found: dict[Keys, list[dict[str, Any]]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_path_in(document.data, item["loc"], item["type"]), []).append(dict(item))
    return [
        _problem(path, items, document, registry)
        for path, items in found.items()
        if not (_is_choice(path, items) and any(other[: len(path)] == path and other != path for other in found))
    ]


def _problem(path: Keys, items: list[dict[str, Any]], document: Document, registry: Registry) -> Problem:
    origin = document.origin(path)
    if items[0]["type"] == "refused":
        return Problem(path, _message(items), origin, "", _declared_by(owner_of(document.data, path, registry)))
    owner = owner_of(document.data, path[:-1], registry)
    if items[0]["type"] == "extra_forbidden":
        return _unknown_key(path, owner, origin)
    field = keys_of(owner).get(str(path[-1])) if owner is not None and path else None
    return Problem(path, _message(items), origin, (field.description if field else "") or "", _declared_by(owner))


def _message(items: list[dict[str, Any]]) -> str:
    """What came and what was expected; the alternatives of a union are joined."""
    if items[0]["loc"][-1:] == ("[key]",):
        return f"this key must be text; got {shown(items[0]['input'])}"
    expected = [_EXPECTED[item["type"]].format(**item.get("ctx", {})) for item in items if item["type"] in _EXPECTED]
    others = [_other(item) for item in items if item["type"] not in _EXPECTED]
    if expected:
        others.insert(0, f"expected {' or '.join(dict.fromkeys(expected))}; got {shown(items[0]['input'])}")
    return "; or it ".join(dict.fromkeys(others))


def _other(item: dict[str, Any]) -> str:
    template = _BOUNDS.get(item["type"])
    if template is None:
        return re.sub(r"^(Value|Assertion) error, ", "", str(item["msg"]))
    return template.format(**{**item.get("ctx", {}), "input": shown(item["input"])})


def _is_choice(path: Keys, items: list[dict[str, Any]]) -> bool:
    """Whether all errors at a path come from alternatives of a union, which say less than an error further in."""
    return all(len(item["loc"]) > len(path) and item["type"] in _EXPECTED for item in items)


def _unknown_key(path: Keys, owner: Model | None, origin: str) -> Problem:
    known = list(keys_of(owner)) if owner is not None else []
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return Problem(path, "unknown key", origin, f"{hint}known keys: {', '.join(known)}", _declared_by(owner))


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
