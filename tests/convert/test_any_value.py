"""Whatever stands at a key: a conversion, or an error with its place; and each key is reported exactly once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from upt_convert.conversion import Conversion, convert
from upt_core import ConfigError
from upt_core.config.document import Document, parse
from upt_core.errors import Problem

from .conftest import BURGERS, TWO_TASKS

STRANGE: tuple[Any, ...] = (None, True, -1, 0, 1.5, 10**400, "", "word", [], ["a", 1], {}, {"a": {"b": 1}}, {3: 4})


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    else:
        yield path


def inner(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from inner(item, (*path, key))


def attempt(document: Document) -> tuple[tuple[Problem, ...], Conversion | None]:
    try:
        return (), convert(document)
    except ConfigError as error:
        return error.problems, None


@pytest.mark.parametrize("text", [BURGERS, TWO_TASKS], ids=["burgers", "two_tasks"])
def test_any_value_at_any_key(text: str) -> None:
    original = parse(text, "old.yaml")
    for path in inner(original.data):
        for value in STRANGE:
            data = copy.deepcopy(original.data)
            at = data
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
            before = copy.deepcopy(data)
            problems, found = attempt(Document(data, original.origins))
            assert data == before, "the old document is left alone"
            assert all(problem.path and problem.origin for problem in problems), (path, value)
            if found is None:
                assert problems, (path, value)
            else:
                assert [line.path for line in found.report.lines] == list(leaves(data)), (path, value)
