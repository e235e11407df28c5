"""The resolved experiment value by value, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from upt_core.config.document import Document
from upt_core.config.sections import ExperimentSettings, as_plain
from upt_core.config.yaml_text import Keys

DEFAULT = "default"


class Explained(NamedTuple):
    """One value of an experiment; ``origin`` is "file:line:column", the command line's override, or "default"."""

    path: Keys
    value: Any
    origin: str


def explain(document: Document, settings: ExperimentSettings) -> list[Explained]:
    """Every value of a validated document, defaults included, in the order of the sections."""
    return [
        Explained(path, value, document.origin(path) if _is_written(document.data, path) else DEFAULT)
        for path, value in _leaves(as_plain(settings), ())
    ]


def _leaves(value: Any, path: Keys) -> Iterator[tuple[Keys, Any]]:
    """Scalars, lists of scalars, and what is empty."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for i, item in enumerate(value):
            yield from _leaves(item, (*path, i))
    else:
        yield path, value


def _is_written(data: Any, path: Keys) -> bool:
    """Whether a value stands in the document; the name of a plugin may stand alone for the mapping that has it."""
    for i, key in enumerate(path):
        if isinstance(data, str):
            return path[i:] == ("name",)
        inside = key in data if isinstance(data, Mapping) else isinstance(data, list) and key in range(len(data))
        if not inside:
            return False
        data = data[key]
    return True
