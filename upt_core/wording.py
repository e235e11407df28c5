"""How a value that does not fit is described: the same words for a configuration and for a call by hand."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
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

Item = Mapping[str, Any]
"""One error of pydantic, as ``ValidationError.errors`` gives it."""


def names_a_type(item: Item) -> bool:
    """Whether an error says that another kind of value is expected, and not that a bound is broken."""
    return item["type"] in _EXPECTED


def what_is_wrong(items: Sequence[Item]) -> str:
    """What came and what was expected; the alternatives of a union are joined.

    Where one alternative takes the type of the value and refuses its size, the others say nothing of use.
    """
    if items[0]["loc"][-1:] == ("[key]",):
        return f"this key must be text; got {shown(items[0]['input'])}"
    refusals = [_other(item) for item in items if not names_a_type(item)]
    if refusals:
        return "; or it ".join(dict.fromkeys(refusals))
    expected = [_EXPECTED[item["type"]].format(**item.get("ctx", {})) for item in items]
    return f"expected {' or '.join(dict.fromkeys(expected))}; got {shown(items[0]['input'])}"


def shown(value: Any, limit: int = 60) -> str:
    """A value much as YAML has it; a long one is cut."""
    if isinstance(value, str):
        text = repr(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, default=_readable)
        except ValueError:  # whole numbers of thousands of digits
            text = "a very long number"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _other(item: Item) -> str:
    template = _BOUNDS.get(item["type"])
    if template is None:
        return re.sub(r"^(Value|Assertion) error, ", "", str(item["msg"]))
    return template.format(**{**item.get("ctx", {}), "input": shown(item["input"])})


def _readable(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else repr(value)


def typed(path: Path) -> str:
    """A path as it stands in a command that a message tells to type: quoted where a shell would part it."""
    return shlex.quote(str(path))
