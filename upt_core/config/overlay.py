"""A part of an experiment that is the experiment with a few keys put on top: a stage, or a task."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from upt_core.config.document import Document
from upt_core.config.merge import merge
from upt_core.config.yaml_text import Keys


def overlaid(document: Document, prefix: Keys, keys: Sequence[str], without: str) -> Document:
    """The document, without one of its keys, with those ``keys`` of the mapping at ``prefix`` put on top.

    Loss terms that are set to null are taken away. Values keep the places that they came from.
    """
    base = {key: copy.deepcopy(value) for key, value in document.data.items() if key != without}
    below = {path: place for path, place in document.origins.items() if path[:1] != (without,)}
    part: Any = document.data
    for key in prefix:
        part = part[key]
    top = {key: copy.deepcopy(part[key]) for key in keys if key in part}
    depth = len(prefix)
    above = {
        path[depth:]: place
        for path, place in document.origins.items()
        if path[:depth] == prefix and len(path) > depth and path[depth] in keys
    }
    data, origins = merge(base, below, top, above)
    if isinstance(data.get("losses"), dict):
        data["losses"] = {name: term for name, term in data["losses"].items() if term is not None}
    return Document(data, origins)
