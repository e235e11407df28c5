"""What an operator is asked about: files that its own kind of data set reads, its own data, or plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from upt_core.data.normalize import TIME_STEP
from upt_core.data.training_data import check_fits
from upt_core.errors import DataError, UserError
from upt_core.kinds import Dataset
from upt_core.operator.answers import AXES, answers_of
from upt_core.operator.cases import Asked, Request, answer, placed
from upt_core.operator.operator import Operator
from upt_core.operator.output import PROVENANCE
from upt_core.operator.prediction import Array
from upt_core.registry import Registry
from upt_core.run.dataset import dataset_of_section
from upt_core.specs import DataSpec
from upt_core.trajectory import Trajectories

Part = Literal["train", "valid", "test", "all"]

GIVEN = "given_"
"""Begins the name of an array of plain arrays: a given field at the predicted steps."""

_TRAINING_ALONE = ("valid_path", "test_path", "num_trajectories")
"""Settings of data sets in files that choose what is trained on: a new file is taken whole."""


def of_own_data(operator: Operator, split: Part, overrides: Sequence[str], request: Request) -> Asked:
    """Answers for a split of the data that the operator was trained on, or for all of it."""
    if not section_of(operator):
        raise UserError("this operator does not record its training data; give an INPUT, for example an .npz of arrays")
    return _of_dataset(operator, dataset_of(operator, None, overrides), split, request)


def of_file(operator: Operator, path: Path, overrides: Sequence[str], request: Request) -> Asked:
    """Answers for a file: read by the operator's own kind of data set where that reads files, else plain arrays."""
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if _of_files(section_of(operator)) is not None:
        return _of_dataset(operator, dataset_of(operator, path, overrides), "all", request)
    if overrides:
        raise UserError(
            f"{path}: is read as plain arrays, so settings of a data set have no effect; remove {', '.join(overrides)}"
        )
    return of_arrays(operator, path, request)


def dataset_of(
    operator: Operator, path: Path | None, overrides: Sequence[str], registry: Registry | None = None
) -> Dataset:
    """The data set that the operator was trained on, with another path and with overrides.

    Raises:
        ConfigError: an override is wrong, or not of the data set.
        UserError: the data set's plugin is not installed.
    """
    section = _named_section(operator, overrides)
    if path is not None:
        files = _of_files(section)
        if files is None and section == section_of(operator):
            raise UserError(
                f"{path}: {section['name']} does not read files; name a data set that does, for example data.name=npz"
            )
        files = section if files is None else files
        section = files if isinstance(section.get("inputs"), dict) else section  # of a pair, what the operator reads
        files.update({key: None for key in _TRAINING_ALONE if key in files})
        files["path"] = str(path)
    return dataset_of_section(section, overrides, registry)


def _named_section(operator: Operator, overrides: Sequence[str]) -> dict[str, Any]:
    """The operator's own section ``data``; where ``data.name`` is set to another kind, that name alone."""
    own = deepcopy(section_of(operator))
    named = [text.removeprefix("data.name=") for text in overrides if text.startswith("data.name=")]
    if not own and not named:
        raise UserError("this operator does not record its training data; name the data set: data.name=NAME")
    return own if not named or named[-1] == own.get("name") else {"name": named[-1]}


def section_of(operator: Operator) -> dict[str, Any]:
    """The section ``data`` of the configuration that an operator comes from; empty where it does not say."""
    return dict((operator.provenance.get("config") or {}).get("data") or {})


def _of_files(section: dict[str, Any]) -> dict[str, Any] | None:
    """The section that names files: of a data set, or of the one that it reads from; None: there are none."""
    base = section.get("base", section.get("inputs"))
    return section if "path" in section else _of_files(base) if isinstance(base, dict) else None


def _of_dataset(operator: Operator, dataset: Dataset, split: Part, request: Request) -> Asked:
    spec = dataset.spec()
    check_fits(spec, operator.data, targets=not operator.data.targets_apart)
    chosen: Trajectories = dataset.everything() if split == "all" else dataset.trajectories(split)
    return answer(operator, chosen, spec, request)


def of_arrays(operator: Operator, path: Path, request: Request) -> Asked:
    """Answers for an .npz archive whose arrays have the names of the fields.

    Fields are as ``Operator.predict`` takes them. Beside them ``coords`` (N, X), or the coordinates along the grid's
    axes or of the points, by the axes' names or as ``x``, ``y``, ``z``; ``t``, the times of the input and of the steps;
    the conditions by their names; and ``given_NAME``, an input field that is not predicted, at the predicted steps.

    Raises:
        DataError: it is not an archive, or has not the operator's fields and conditions.
    """
    arrays, data = _read(path), operator.data
    fields = {field.name: arrays.pop(field.name) for field in data.inputs if field.name in arrays}
    times = arrays.pop("t", None)
    coords = _coords(operator, arrays)
    told = [name for name in data.condition if name != TIME_STEP]  # which follows from the times
    conditions = {name: arrays.pop(name) for name in told if name in arrays}
    given = {f.name: arrays.pop(GIVEN + f.name) for f in data.given if GIVEN + f.name in arrays}
    if arrays:
        names = [*(f.name for f in data.inputs), *told, *(GIVEN + f.name for f in data.given)]
        names += ["coords", *_axis_names(data), "t"]
        raise DataError(
            f"{path}: the operator does not know the array {next(iter(arrays))!r}; it takes {', '.join(names)}"
        )
    timed = times is not None and times.size > 1
    try:
        samples, found = operator.predict_in_batches(
            fields, coords, request.at, request.steps, request.space, conditions,
            times if timed else None, request.batch_size, request.chunk, given,
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return Asked((answers_of(batch, data) for batch in found), samples)


def _read(path: Path) -> dict[str, Array]:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise DataError(f"{path}: holds one array without a name; save it with np.savez(FILE, u=…)")
        with found as archive:
            return {name: archive[name] for name in archive.files if name != PROVENANCE}
    except UserError:
        raise
    except Exception as error:  # what numpy raises depends on the bytes that are damaged
        raise DataError(
            f"{path}: is not a numpy archive; the operator's data set does not read files: give .npz"
        ) from error


def _coords(operator: Operator, arrays: dict[str, Array]) -> Any:
    """Coordinates among the arrays, which are taken out; None where there are none, or where they are as assumed."""
    data = operator.data
    own = _axis_names(data)
    names = own if any(name in arrays for name in own) else AXES[: data.num_axes]
    axes = [arrays.pop(name) for name in names if name in arrays]
    if "coords" in arrays or len(axes) < data.num_axes:
        return arrays.pop("coords", None)
    if data.grid_shape is None:
        return np.stack(axes, axis=-1)
    grid = tuple(len(axis) for axis in axes)
    points = torch.from_numpy(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, data.num_axes))
    return None if placed(operator, points, grid) is None else points


def read_points(path: Path) -> Array:
    """Points to answer at, (Q, X): an .npy array, an .npz with ``coords`` or one array, or a .csv.

    Raises:
        DataError: the file cannot be read as numbers.
    """
    if path.suffix not in (".npy", ".npz", ".csv"):
        raise DataError(f"{path}: points are read from .npy, .npz and .csv files")
    try:
        if path.suffix == ".csv":
            return _read_csv(path)
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        arrays = _read(path)
        return arrays["coords"] if "coords" in arrays else arrays[next(iter(arrays))]
    except UserError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file of points; correct --at") from error
    except Exception as error:  # what numpy raises depends on the bytes that are damaged
        raise DataError(f"{path}: cannot be read as points (one row of coordinates for each point): {error}") from error


def _read_csv(path: Path) -> Array:
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        [float(cell) for cell in lines[0].split(",")]
        header = 0
    except (ValueError, IndexError):
        header = 1
    return np.loadtxt(lines[header:], delimiter=",", ndmin=2)


def _axis_names(data: DataSpec) -> tuple[str, ...]:
    own = tuple(name.rpartition("/")[2] for name in data.axes)
    return own if len(own) == data.num_axes else AXES[: data.num_axes]
