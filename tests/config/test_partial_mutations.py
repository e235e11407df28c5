"""Whatever stands at any key of stages and tasks: an experiment, or problems with their places; the schema agrees."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from upt_core import ConfigError
from upt_core.config.document import Document, parse
from upt_core.config.json_schema import json_schema
from upt_core.config.settings import stages_of, validate
from upt_core.errors import Problem
from upt_core.registry.discovery import installed

STAGES = """\
stages:
- {name: one, freeze: [approximator], losses: {forward: null}, trainer: {epochs: 3, optimizer: {lr: 1e-4}}}
- {name: two, sampler: {num_queries: 4}, losses: {inverse: {weight: 0.1}}, validation: {metrics: {rmse: rmse}}}
"""
TASKS = """\
tasks:
  a: {data: {name: burgers1d, points: 32}, weight: 2, losses: {inverse: null}}
  b: {data: advection1d, model: {encoder: {patch: 4}}, sampler: null, normalize: none}
"""
STRANGE: tuple[Any, ...] = (None, -1, 10**400, "word", [None], {"a": {"b": 1}}, {3: 4}, {"name": None})


def places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def problems_in(document: Document) -> tuple[Problem, ...]:
    try:
        stages_of(validate(document, installed()), document, installed())
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("part", [STAGES, TASKS], ids=["stages", "tasks"])
def test_any_value_at_any_key(experiment: str, part: str) -> None:
    validator = Draft202012Validator(json_schema(installed()))
    text = experiment if part == STAGES else experiment.partition("\n")[2]
    original = parse(text + part, "exp.yaml")
    key = part.partition(":")[0]
    assert problems_in(original) == ()
    for path in places(original.data[key], (key,)):
        for value in STRANGE:
            data = copy.deepcopy(original.data)
            at: Any = data
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value
            problems = problems_in(Document(copy.deepcopy(data), dict(original.origins)))
            assert all(problem.origin.startswith("exp.yaml:") for problem in problems), (path, value)
            assert problems or validator.is_valid(data), (path, value)
