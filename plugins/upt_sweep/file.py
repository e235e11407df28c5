"""A sweep's file → a checked sweep, or every problem that it has, with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from upt_core import ConfigError, Experiment
from upt_core.commands import Document, Keys, Problem, as_plain, count, installed, problems_of, read
from upt_sweep.point import Places, experiment_at, invalid_points, objective
from upt_sweep.sections import DimensionSettings, SweepSettings
from upt_sweep.space import Dimension, Point, dimension, grid_size, label

MAX_TRIALS = 10_000
"""All trials are written into the storage before the first one runs."""


@dataclass(frozen=True)
class Sweep:
    """A sweep, every corner of whose space is a valid experiment.

    Args:
        path: its file.
        settings: as written.
        dimensions: of the space, in the file's order.
        base: the experiment's document.
        places: where the file has each value.
        metric: the validation metric that judges a run.
        lower_is_better: its direction.
        output: the folder in which the experiment's runs are made.
        plain: the experiment with the sweep's overrides, as plain data.
    """

    path: Path
    settings: SweepSettings
    dimensions: tuple[Dimension, ...]
    base: Document
    places: Places
    metric: str
    lower_is_better: bool
    output: Path
    plain: dict[str, Any]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    @property
    def trials(self) -> int:
        """How many trials it has."""
        return self.settings.trials or grid_size(list(self.dimensions))

    def experiment(self, point: Point) -> Experiment:
        """The experiment at a point.

        Raises:
            ConfigError: the point is no valid experiment.
        """
        return experiment_at(self.base, {**self.settings.overrides, **point}, self.places, self.name)

    def definition(self) -> dict[str, Any]:
        """What must not change when a sweep goes on; the number of trials may."""
        space = {dimension.key: {dimension.form: list(dimension.values)} for dimension in self.dimensions}
        search = {name: getattr(self.settings, name) for name in ("search", "pruner", "seed")}
        return {**search, "metric": self.metric, "space": space, "experiment": self.plain}


def read_sweep(path: Path) -> Sweep:
    """A sweep from its file.

    Raises:
        ConfigError: with every problem and its place: of the file, of the experiment, of corners of the space.
    """
    document = read(path)
    settings = _validated(document)
    dimensions = _dimensions(settings, document)
    place = document.origin(("experiment",))
    file = path.parent / Path(settings.experiment).expanduser()
    if not file.is_file():
        raise ConfigError(
            [Problem(("experiment",), f"{file} is not a file", place, "the path is relative to the sweep")]
        )
    base, places = read(file), _places(settings, document, dimensions)
    problems = invalid_points(base, settings.overrides, dimensions, places, path.stem)
    if problems:
        raise ConfigError(problems)
    first = {dimension.key: dimension.values[0] for dimension in dimensions}
    experiment = experiment_at(base, {**settings.overrides, **first}, places, path.stem)
    metric, lower = objective(experiment)
    plain, output = as_plain(experiment.settings), experiment.output_dir()
    return Sweep(path, settings, tuple(dimensions), base, places, metric, lower, output, plain)


def _validated(document: Document) -> SweepSettings:
    try:
        return SweepSettings.model_validate(document.data)
    except ValidationError as error:
        problems = problems_of(error, document, installed())
        raise ConfigError([replace(problem, hint=_hint(problem), owner="") for problem in problems]) from error


def _hint(problem: Problem) -> str:
    """The near key where one is unknown, else what the key means."""
    model = DimensionSettings if problem.path[:1] == ("space",) and len(problem.path) > 2 else SweepSettings
    keys = {field.alias or name: field for name, field in model.model_fields.items()}
    key = str(problem.path[-1]) if problem.path else ""
    if problem.message != "unknown key":
        return (keys[key].description or "") if key in keys else ""
    near = difflib.get_close_matches(key, list(keys), n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known keys: {', '.join(keys)}"


def _dimensions(settings: SweepSettings, document: Document) -> list[Dimension]:
    found, problems = [], list(_broken_rules(settings, document))
    for key, values in settings.space.items():
        path: Keys = ("space", key)
        try:
            found.append(dimension(key, values))
        except ValueError as error:
            problems.append(Problem(path, str(error), document.origin(path)))
            continue
        if settings.search == "grid" and found[-1].all_values is None:
            message = f"a grid needs a list of values; got {found[-1].form}"
            problems.append(Problem(path, message, document.origin(path), "use choice, or search: random or tpe"))
    if not problems and settings.search == "grid" and grid_size(found) > MAX_TRIALS:
        message = f"the grid has {count(grid_size(found))} points, more than {count(MAX_TRIALS)}"
        problems.append(Problem(("space",), message, document.origin(("space",)), "use search: random or tpe"))
    if problems:
        raise ConfigError(problems)
    return found


def _broken_rules(settings: SweepSettings, document: Document) -> Iterator[Problem]:
    if settings.search == "grid" and settings.trials is not None:
        message = "a grid has as many trials as it has points"
        yield Problem(("trials",), message, document.origin(("trials",)), "remove trials, or use search: random or tpe")
    if settings.search != "grid" and settings.trials is None:
        message = f"is missing; search: {settings.search} needs the number of runs"
        yield Problem(("trials",), message, document.origin(()), "for example trials: 20")
    if settings.trials is not None and settings.trials > MAX_TRIALS:
        yield Problem(("trials",), f"must be at most {MAX_TRIALS}", document.origin(("trials",)))
    for key in settings.space:
        if key in settings.overrides:
            message = "is in overrides and in space"
            yield Problem(("overrides", key), message, document.origin(("overrides", key)), "remove one of the two")


def _places(settings: SweepSettings, document: Document, dimensions: list[Dimension]) -> Places:
    found = {("", ""): document.origin(("space",))}
    for key in settings.overrides:
        found[(key, "")] = document.origin(("overrides", key))
    for one in dimensions:
        path: Keys = ("space", one.key)
        found[(one.key, "")] = document.origin(path)
        for i, value in enumerate(one.values):
            found[(one.key, label(value))] = document.origin((*path, one.form, i))
    return found
