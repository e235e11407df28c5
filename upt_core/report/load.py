"""A run folder as the report reads it: plain data and arrays, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from upt_core.errors import UserError
from upt_core.report.view import View, view_of
from upt_core.run.metrics_log import METRICS, read_metrics
from upt_core.run.remarks_log import read_remarks
from upt_core.run.written_config import config_of

LATEST = "latest"
"""Of files with examples on the way, as ``upt_core.run.latest`` writes them; that would import torch."""

LATE = 60.0
"""Seconds by which files are newer than results where a finished run was resumed; copies differ by less."""

Line = Mapping[str, Any]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Series:
    """A figure over training.

    Args:
        epoch: how many epochs were done, with the fraction of the current one.
        value: its values.
    """

    epoch: Array
    value: Array


@dataclass(frozen=True)
class RunData:
    """What a run has left in its folder so far.

    Args:
        folder: the run folder.
        config: the resolved configuration.
        environment: versions, device, git state; empty where the file is not there.
        lines: of ``metrics.jsonl``, in order, each step once.
        results: name of a predictor → metric → value on the test split; None before the end of a run.
        examples: example predictions: the final ones, or before the end of a run the latest; None where there are
            none yet, and where there are several tasks.
        tasks: example predictions of each of several tasks.
        description: model and data in numbers; empty where the file is not there.
        densities: where the samplers looked, in the order of epochs.
        said: remarks and warnings of the run, each once.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    lines: list[Line]
    results: dict[str, dict[str, float]] | None
    examples: Examples | None
    tasks: dict[str, Examples] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    densities: list[dict[str, Array]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def epochs(self) -> int:
        """How many epochs the run is meant to have, in all its stages."""
        own = self.config["trainer"].get("epochs", 0)
        stages = self.config.get("stages") or [{}]
        return sum(int((stage.get("trainer") or {}).get("epochs", own)) for stage in stages)

    @property
    def monitor(self) -> str:
        """The metric that chooses the best checkpoint."""
        stages = self.config.get("stages") or [{}]
        validation = {**self.config["validation"], **(stages[-1].get("validation") or {})}
        return str(validation.get("monitor") or next(iter(validation["metrics"])))

    @cached_property
    def _epoch_ends(self) -> tuple[Array, Array]:
        """Steps and epochs at the end of each epoch, from (0, 0) to one epoch past the last."""
        ends = [(0, 0)] + [(line["step"], line["epoch"]) for line in self.lines if line["kind"] == "epoch"]
        steps, epochs = np.array(ends, dtype=float).T
        if len(ends) == 1:
            return steps, epochs
        return np.append(steps, 2 * steps[-1] - steps[-2]), np.append(epochs, 2 * epochs[-1] - epochs[-2])

    @property
    def epochs_done(self) -> int:
        """Whole epochs trained."""
        return max((line["epoch"] for line in self.lines if line["kind"] == "epoch"), default=0)

    @property
    def position(self) -> float:
        """How far training came, in epochs, for axes: at least the place of the last logged step."""
        return max([self._position(line) for line in self.lines if line["kind"] != "validation"], default=0.0) or 1.0

    @property
    def seconds(self) -> float:
        """Time in training: the clock starts anew where a run was resumed."""
        total = previous = 0.0
        for line in self.lines:
            total += previous if line["time"] < previous else 0.0
            previous = line["time"]
        return total + previous

    def series(self, kind: str, prefix: str = "") -> dict[str, Series]:
        """The figures of lines of a kind (step, epoch, validation) whose name begins with ``prefix``, without it."""
        lines = [line for line in self.lines if line["kind"] == kind]
        names = dict.fromkeys(key for line in lines for key in line if key not in _PLACE and key.startswith(prefix))
        return {name.removeprefix(prefix): self._series(lines, name) for name in names}

    def _series(self, lines: list[Line], name: str) -> Series:
        found = [(self._position(line), line[name]) for line in lines if name in line]
        epoch, value = zip(*found, strict=True)
        return Series(np.array(epoch, dtype=float), np.array(value, dtype=float))

    def _position(self, line: Line) -> float:
        if line["kind"] != "step":
            return float(line["epoch"])
        steps, epochs = self._epoch_ends
        return float(np.interp(line["step"] + 1, steps, epochs)) if len(steps) > 1 else float(line["epoch"] - 1)


_PLACE = ("kind", "epoch", "step", "time")


@dataclass(frozen=True)
class Examples:
    """Example predictions, in physical units.

    Args:
        input: (n, N, input channels).
        target: (n, T, N, target channels).
        prediction: (n, T, N, target channels).
        coords: (n, N, X), in the unit box.
        lengths: (n,) real points of each example; the rest is padding.
        extent: (X,) physical length of each axis.
        grid_shape: points along each axis; empty for scattered points.
        roles: what each example stands for: good, median, worst; empty where they were chosen evenly.
        numbers: in the split.
        errors: relative L2 error of each.
        inputs_at: coordinates, lengths and grid of the inputs, where they are not at the points of the targets.
        final: whether they are of the test split, at the end of a run; else of the validation split, on the way.
        axes: their names; empty: not known.
        origin: physical coordinates of the box's low corner; empty: not known.
        input_along: for each input channel the axis that it is along, if it is a component of a vector.
        target_along: the same of the targets; both empty: the k-th component is along the k-th axis.
    """

    input: Array
    target: Array
    prediction: Array
    coords: Array
    lengths: Array
    extent: Array
    grid_shape: tuple[int, ...]
    input_names: list[str]
    target_names: list[str]
    roles: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    errors: tuple[float, ...] = ()
    inputs_at: tuple[Array, Array, tuple[int, ...]] | None = field(default=None, kw_only=True)
    final: bool = field(default=True, kw_only=True)
    axes: tuple[str, ...] = field(default=(), kw_only=True)
    origin: tuple[float, ...] = field(default=(), kw_only=True)
    input_along: tuple[int, ...] = field(default=(), kw_only=True)
    target_along: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def low(self) -> Array:
        """Physical coordinates of the box's low corner, (X,); 0 where they are not known."""
        return np.array(self.origin or (0.0,) * self.num_axes)

    @property
    def places(self) -> Array:
        """Physical coordinates of the points, (n, N, X)."""
        return np.asarray(self.low + self.coords * self.extent)

    @property
    def view(self) -> View:
        """Which axis pictures show to the right, and which upwards."""
        return view_of(self.axes)

    def of_inputs(self) -> Examples:
        """The same examples, whose points are those of the inputs: to draw these."""
        if self.inputs_at is None:
            return self
        coords, lengths, grid_shape = self.inputs_at
        return replace(self, coords=coords, lengths=lengths, grid_shape=grid_shape, inputs_at=None)

    def place(self, index: int) -> str:
        """What an example stands for, with its error; its number where that is not known."""
        if not self.roles:
            return f"example {index + 1}"
        role = self.roles[index] if len(self.roles) > 1 else "sample"
        return f"{role} ({self.errors[index]:.2g})"

    @property
    def num_axes(self) -> int:
        """X."""
        return len(self.extent)


def load(folder: Path) -> RunData:
    """Everything there is in a run folder.

    Raises:
        UserError: the folder is not a run, or one of its files is damaged.
    """
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder}: this is not the folder of a run; it has no config.yaml")
    config = config_of(folder)
    results = _json(folder / "results.json")
    return RunData(
        folder,
        config,
        _json(folder / "environment.json") or {},
        _lines(folder / METRICS),
        results["predictors"] if results else None,
        read_examples(_newest(folder / "examples.npz")),
        _examples_of_tasks(folder),
        _json(folder / "description.json") or {},
        _densities(folder / "sampling.npz"),
        read_remarks(folder),
    )


def _densities(path: Path) -> list[dict[str, Array]]:
    found: dict[str, dict[str, Array]] = {}
    for key, value in (_arrays(path) or {}).items():
        number, _, name = key.partition("/")
        found.setdefault(number, {})[name] = value
    return [found[number] for number in sorted(found)]


def _examples_of_tasks(folder: Path) -> dict[str, Examples]:
    names = {path.stem.partition("-")[2] for kind in ("examples", LATEST) for path in folder.glob(f"{kind}-*.npz")}
    found = {name: read_examples(_newest(folder / f"examples-{name}.npz")) for name in sorted(names)}
    return {name: examples for name, examples in found.items() if examples is not None}


def _newest(final: Path) -> Path:
    """The final examples, or the latest ones where there are none yet, or a finished run was taken up again."""
    latest = final.with_name(final.name.replace("examples", LATEST, 1))
    if not latest.is_file() or not final.is_file():
        return final if final.is_file() else latest
    return latest if latest.stat().st_mtime > final.stat().st_mtime + LATE else final


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON: {error}; remove the file to write the report without it") from error
    return found


def _lines(path: Path) -> list[Line]:
    """Lines of metrics. Steps that were trained again after a crash stand twice in the file: the later ones count."""
    found: dict[tuple[str, int], Line] = {}
    latest = -1
    for line in read_metrics(path.parent):
        if line["step"] < latest:
            found = {key: kept for key, kept in found.items() if key[1] <= line["step"]}
        latest = line["step"]
        found.pop((line["kind"], latest), None)
        found[(line["kind"], latest)] = line
    return list(found.values())


def _arrays(path: Path) -> dict[str, Array] | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # what numpy raises depends on the bytes that are damaged
        raise UserError(f"{path}: cannot be read: {error}; remove the file to write the report without it") from error


def read_examples(path: Path) -> Examples | None:
    """What ``write_examples`` wrote; None where there is no such file."""
    arrays = _arrays(path)
    if arrays is None:
        return None
    found = Examples(
        arrays["input"],
        arrays["target"],
        arrays["prediction"],
        arrays["coords"],
        arrays["lengths"],
        arrays["extent"],
        tuple(int(size) for size in arrays["grid_shape"]),
        [str(name) for name in arrays["input_names"]],
        [str(name) for name in arrays["target_names"]],
        *(_listed(arrays, name) for name in ("roles", "numbers", "errors")),
    )
    found = replace(found, final=str(arrays.get("split", "test")) == "test", axes=_listed(arrays, "axes"))
    found = replace(
        found,
        origin=_listed(arrays, "origin"),
        input_along=_listed(arrays, "input_along"),
        target_along=_listed(arrays, "target_along"),
    )
    if "input_coords" not in arrays:
        return found
    grid = tuple(int(size) for size in arrays["input_grid_shape"])
    return replace(found, inputs_at=(arrays["input_coords"], arrays["input_lengths"], grid))


def _listed(arrays: Mapping[str, Array], name: str) -> tuple[Any, ...]:
    return tuple(arrays[name].tolist()) if name in arrays else ()
