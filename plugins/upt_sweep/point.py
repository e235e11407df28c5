"""The experiment at one point of the space: the base with the point's values on top, each with its place."""

from __future__ import annotations

import copy
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from upt_core import ConfigError, Experiment
from upt_core.commands import COMMAND_LINE, Document, Problem, apply_overrides, installed, stages_of, validate
from upt_sweep.space import Dimension, Point, label

Places = Mapping[tuple[str, str], str]
"""(key, value as text) → where the sweep's file has it; (key, "") → where it has the key."""

MAX_POINTS_TRIED = 256
"""Larger spaces: every end and every choice by itself, and that many combinations of them, drawn with a fixed seed."""


def experiment_at(base: Document, point: Point, places: Places, name: str) -> Experiment:
    """The experiment of a point.

    Raises:
        ConfigError: with the places in the sweep's file.
    """
    document = _document(base, point, places)
    registry = installed()
    settings = validate(document, registry)
    return Experiment(settings, document, name, stages_of(settings, document, registry))


def _document(base: Document, point: Point, places: Places) -> Document:
    data, origins = copy.deepcopy(base.data), dict(base.origins)
    overrides = {f"{key}={label(value)}": _place(key, value, places) for key, value in point.items()}
    by_origin = {f"{COMMAND_LINE} ({text})": place for text, place in overrides.items()}
    problems = apply_overrides(data, origins, list(overrides))
    if problems:
        raise ConfigError([replace(problem, origin=by_origin.get(problem.origin, "")) for problem in problems])
    return Document(data, {path: by_origin.get(origin, origin) for path, origin in origins.items()})


def _place(key: str, value: Any, places: Places) -> str:
    return places.get((key, label(value))) or places.get((key, ""), "")


def invalid_points(
    base: Document, fixed: Point, dimensions: Sequence[Dimension], places: Places, name: str
) -> list[Problem]:
    """What is wrong with the experiment at the corners of the space; the same thing at many corners is told once."""
    found: dict[str, Problem] = {}
    monitors: dict[tuple[str, bool], Point] = {}
    for corner in corners(dimensions):
        try:
            experiment = experiment_at(base, {**fixed, **corner}, places, name)
        except ConfigError as error:
            found.update({str(problem): problem for problem in error.problems})
            continue
        monitors.setdefault(objective(experiment), corner)
    if len(monitors) > 1 and not found:
        names = " and ".join(f"{name} ({'lower' if low else 'higher'} is better)" for name, low in monitors)
        hint = "leave validation.monitor and its metric out of the space"
        return [Problem(("space",), f"the points are judged by different metrics: {names}", places[("", "")], hint)]
    return list(found.values())


def objective(experiment: Experiment) -> tuple[str, bool]:
    """The metric that judges a run, that of its last stage, and whether lower is better."""
    validation = experiment.stages[-1].settings.validation
    return validation.monitored, validation.metrics[validation.monitored].plugin.lower_is_better


def corners(dimensions: Sequence[Dimension]) -> Iterator[Point]:
    """Combinations of the ends and choices of all dimensions; every end and choice is among them."""
    ends = [dimension.values for dimension in dimensions]
    keys = [dimension.key for dimension in dimensions]
    if math.prod(map(len, ends)) <= MAX_POINTS_TRIED:
        combinations: Iterator[tuple[Any, ...]] = itertools.product(*ends)
    else:
        longest = max(map(len, ends))
        each = (tuple(values[i % len(values)] for values in ends) for i in range(longest))
        chance = random.Random(0)
        drawn = (tuple(chance.choice(values) for values in ends) for _ in range(MAX_POINTS_TRIED))
        combinations = itertools.chain(each, drawn)
    for values in combinations:
        yield dict(zip(keys, values, strict=True))


def grid_points(dimensions: Sequence[Dimension]) -> list[Point]:
    """Every combination of a grid, the last key fastest."""
    values = [dimension.all_values or [] for dimension in dimensions]
    keys = [dimension.key for dimension in dimensions]
    return [dict(zip(keys, combination, strict=True)) for combination in itertools.product(*values)]
