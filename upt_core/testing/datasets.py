"""Checks a data set against the contract of ``upt_core.Dataset``; for its author's own tests."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor

from upt_core.data.normalize import TIME_STEP
from upt_core.errors import DataError
from upt_core.kinds import Dataset
from upt_core.specs import DataSpec
from upt_core.testing.failure import answering, require, require_object
from upt_core.testing.stacked_windows import check_read_many
from upt_core.trajectory import Split, Trajectories, Trajectory

SPLITS: tuple[Split, ...] = get_args(Split)


def check_dataset(dataset: Dataset, *, looked_at: int = 4, compared: int = 64) -> None:
    """Raises unless a data set keeps the contract.

    Checked are: that its spec is sound; that every split has a trajectory and splits share none; fields, channels,
    points, coordinates, times and conditions of each trajectory; finite values; times that increase; that a window
    equals the same part of the whole, and windows that are read at once (``read_many``) those that are read alone;
    that reading twice gives the same; that a data set which takes a path, or wraps
    another one, names its files.

    Args:
        dataset: the data set, small: whole trajectories are read.
        looked_at: trajectories of each split that are read in full.
        compared: trajectories of each split whose first state is compared with those of the other splits.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
        DataError: what the data set itself refuses.
    """
    require_object(dataset)
    spec = dataset.spec()
    _check_spec(spec, dataset)
    _check_files(dataset)
    first_of: dict[str, tuple[Split, int]] = {}
    coords_of: dict[int, Tensor] = {}
    for split in SPLITS:
        trajectories = dataset.trajectories(split)
        require(
            all(callable(getattr(trajectories, name, None)) for name in ("__len__", "num_times", "read")),
            "splits",
            f"trajectories({split!r}) gave an object of type {type(trajectories).__name__}",
            "an object with len, num_times(index) and read(index, start, stop)",
            "return upt_core.InMemory([…]) of a list of Trajectory objects, or a class that reads when it is asked",
        )
        require(
            len(trajectories) > 0,
            "splits",
            f"the split {split!r} is empty",
            "at least one trajectory in each of train, valid and test",
            "use upt_core.split_indices, which refuses empty splits",
        )
        for index in range(min(looked_at, len(trajectories))):
            where = f"trajectory {index} of {split!r}"
            whole = _read(trajectories, index, 0, trajectories.num_times(index), where)
            _check_trajectory(whole, spec, trajectories.num_times(index), where)
            _check_windows(whole, trajectories, index, where)
            _check_again(whole, dataset.trajectories(split), index, where)
            _check_point_set(whole, coords_of, where)
        check_read_many(trajectories, looked_at, f"the split {split!r}")
        for index in range(min(compared, len(trajectories))):
            _check_shared(_read(trajectories, index, 0, 1, f"trajectory {index}"), split, index, first_of)


def _check_spec(spec: DataSpec, dataset: Dataset) -> None:
    require(
        isinstance(spec, DataSpec),
        "spec",
        f"spec() gave an object of type {type(spec).__name__}",
        "a DataSpec",
        "return DataSpec(inputs=…, targets=…, extent=…, periodic=…)",
    )
    require(
        spec == dataset.spec(),
        "spec",
        "spec() gives another result the second time",
        "an equal DataSpec each time",
        "return DataSpec(inputs=…, targets=…, extent=…, periodic=…)",
    )
    require(
        bool(spec.inputs) and bool(spec.targets) and all(field.channels > 0 for field in spec.fields),
        "spec",
        f"inputs {spec.inputs}, targets {spec.targets}",
        "at least one input and one target field, each with a channel or more",
        "name them: inputs=(FieldSpec('u'),)",
    )
    sizes = {len(spec.extent), len(spec.periodic)}
    sizes |= {len(spec.grid_shape)} if spec.grid_shape is not None else set()
    sizes |= {len(spec.origin)} if spec.origin is not None else set()
    sizes |= {len(spec.target_grid)} if spec.target_grid is not None else set()
    require(
        len(sizes) == 1 and all(length > 0 for length in spec.extent),
        "spec",
        f"extent {spec.extent}, periodic {spec.periodic}, grid_shape {spec.grid_shape}, origin {spec.origin}",
        "one entry for each coordinate axis in each of them, and extents above 0",
        "describe every axis exactly once",
    )


def _check_files(dataset: Dataset) -> None:
    """A file that nobody names may change in the middle of a run, and nobody notices."""
    files = list(dataset.files())
    missing = [path for path in files if not path.exists()]
    require(
        not missing,
        "files",
        f"files() names {missing[0] if missing else ''}, which does not exist",
        "the files that values are read from, as paths that exist",
        "return the paths themselves, patterns resolved",
    )
    inner = [one for one in vars(dataset).values() if isinstance(one, Dataset)]
    unnamed = [path for one in inner for path in one.files() if path not in files]
    path_parameter = next((name for name, hint in _required(type(dataset)).items() if _has_path(hint)), "")
    require(
        not unnamed and (bool(files) or not path_parameter),
        "files",
        f"files() is {files}, though the data set "
        + (f"reads {unnamed[0]} through another one" if unnamed else f"takes the path {path_parameter!r}"),
        "every file that values are read from, because a run ends if one changes",
        "def files(self): return [self.path], or self.base.files()",
    )


def _required(dataset: type[Dataset]) -> dict[str, Any]:
    """The annotations of the constructor's parameters that have no default."""
    try:
        hints = get_type_hints(dataset.__init__)
    except NameError:  # they name what only a type checker imports; upt plugins doctor tells
        return {}
    parameters = inspect.signature(dataset).parameters.values()
    return {one.name: hints.get(one.name) for one in parameters if one.default is one.empty}


def _has_path(hint: Any) -> bool:
    return hint is Path or any(map(_has_path, get_args(hint)))


def _read(trajectories: Trajectories, index: int, start: int, stop: int, where: str) -> Trajectory:
    with answering(
        "read",
        f"in read({index}, {start}, {stop}), {where}",
        "a Trajectory for 0 ≤ start < stop ≤ num_times",
        "use InMemory if all trajectories fit into memory",
        DataError,
    ):
        return trajectories.read(index, start, stop)


def _check_trajectory(whole: Trajectory, spec: DataSpec, num_times: int, where: str) -> None:
    num_points, num_axes = whole.coords_NX.shape
    shape = whole.grid_shape or spec.grid_shape
    grid_points = math.prod(shape) if shape is not None else num_points
    require(
        num_axes == spec.num_axes and num_points == grid_points,
        "points",
        f"coordinates of shape {tuple(whole.coords_NX.shape)} in {where}",
        f"({grid_points}, {spec.num_axes}), as spec() says",
        "coords_NX has a row for each point, row-major on a grid, and a column for each axis",
    )
    times = tuple(whole.time_T.shape)
    require(
        times == (num_times,) and bool((whole.time_T.diff() > 0).all()) and (spec.steady or num_times > 1),
        "times",
        f"time_T of shape {times}, from {whole.time_T.min():.4g} to {whole.time_T.max():.4g}, num_times {num_times}, "
        f"in {where}",
        "num_times physical times that increase; at least 2 unless the data set is steady",
        "sort the time steps; set steady=True in the spec if there is no time",
    )
    for field in spec.fields if whole.targets is None else spec.inputs:
        _check_field(whole.fields, field.name, (num_times, num_points, field.channels), where)
    _check_targets(whole, spec, num_times, where)
    missing = [name for name in spec.condition if name != TIME_STEP and name not in whole.condition]
    require(
        not missing and all(_fits_condition(value, num_times) for value in whole.condition.values()),
        "conditions",
        f"conditions {whole.condition} in {where}",
        f"finite values of {', '.join(spec.condition) or 'none'}: a number, or ({num_times},) that change in time",
        "fill Trajectory.condition with every name of DataSpec.condition (upt itself adds time_step)",
    )
    _check_inside(whole.coords_NX, spec, where)


def _fits_condition(value: float | Tensor, num_times: int) -> bool:
    if isinstance(value, int | float):
        return math.isfinite(value)
    return tuple(value.shape) in ((), (num_times,)) and bool(value.isfinite().all())


def _part_of(condition: Mapping[str, float | Tensor], start: int, stop: int) -> dict[str, list[float]]:
    """Conditions of some time steps, as plain numbers."""
    values = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in condition.items()}
    return {name: (value[start:stop] if value.dim() else value[None]).tolist() for name, value in values.items()}


def _check_targets(whole: Trajectory, spec: DataSpec, num_times: int, where: str) -> None:
    """Targets at points of their own."""
    targets = whole.targets
    require(
        (targets is not None) == spec.targets_apart,
        "targets",
        f"targets {'at other points than the inputs' if targets is not None else 'at the points of the inputs'} in "
        f"{where}, but "
        f"targets_apart {spec.targets_apart} in spec()",
        "that spec() and the targets agree",
        "set DataSpec.targets_apart if Trajectory.targets is given",
    )
    if targets is None:
        return
    num_points, num_axes = targets.coords_NX.shape
    grid_points = math.prod(spec.target_grid) if spec.target_grid is not None else num_points
    require(
        num_axes == spec.num_axes and num_points == grid_points,
        "points",
        f"target coordinates of shape {tuple(targets.coords_NX.shape)} in {where}",
        f"({grid_points}, {spec.num_axes}), as spec() says",
        "TargetPoints.coords_NX has a row for each point, row-major on a grid, and a column for each axis",
    )
    for field in spec.targets:
        _check_field(targets.fields, field.name, (num_times, num_points, field.channels), f"the targets of {where}")
    _check_inside(targets.coords_NX, spec, f"the targets of {where}")


def _check_field(fields: Mapping[str, Tensor], name: str, shape: tuple[int, int, int], where: str) -> None:
    value = fields.get(name)
    require(
        value is not None,
        "fields",
        f"{where} has the fields {', '.join(fields)}",
        f"{name!r} among them, as spec() says",
        "use the same names in Trajectory.fields and in the FieldSpecs",
    )
    assert value is not None
    require(
        tuple(value.shape) in (shape, (1, *shape[1:])) and value.is_floating_point(),
        "fields",
        f"{name!r} of shape {tuple(value.shape)} and type {value.dtype} in {where}",
        f"a float tensor (T, N, C) = {shape}, or T = 1 where it is constant in time",
        "flatten the grid row-major and put channels last, a scalar with C = 1",
    )
    require(
        bool(value.isfinite().all()),
        "finite",
        f"{int((~value.isfinite()).sum())} values of {name!r} are NaN or infinite in {where}",
        "finite values",
        "raise DataError that names the place, or leave such trajectories out",
    )


def _check_inside(coords_NX: Tensor, spec: DataSpec, where: str) -> None:
    if spec.origin is None:
        span = coords_NX.amax(0) - coords_NX.amin(0)
        inside = bool((span <= torch.tensor(spec.extent) * (1 + 1e-4)).all())
    else:
        placed = (coords_NX - torch.tensor(spec.origin)) / torch.tensor(spec.extent)
        inside = bool((placed >= -1e-4).all() and (placed <= 1 + 1e-4).all())
    require(
        inside,
        "coordinates",
        f"coordinates from {coords_NX.amin(0).tolist()} to {coords_NX.amax(0).tolist()} in {where}",
        f"points inside the domain: origin {spec.origin}, extent {spec.extent}, as spec() says",
        "give physical coordinates, and the domain's physical size as extent",
    )


def _check_windows(whole: Trajectory, trajectories: Trajectories, index: int, where: str) -> None:
    num_times = len(whole.time_T)
    windows = {(0, 1), (num_times - 1, num_times), (num_times // 3, max(num_times // 3 + 1, 2 * num_times // 3))}
    for start, stop in sorted(windows):
        window = _read(trajectories, index, start, stop, where)
        same = torch.equal(window.time_T, whole.time_T[start:stop]) and all(
            torch.equal(window.fields[name], value if value.shape[0] == 1 else value[start:stop])
            for name, value in whole.fields.items()
        )
        if whole.targets is not None and window.targets is not None:
            same = same and all(
                torch.equal(window.targets.fields[name], value if value.shape[0] == 1 else value[start:stop])
                for name, value in whole.targets.fields.items()
            )
        require(
            same
            and torch.equal(window.coords_NX, whole.coords_NX)
            and _part_of(window.condition, 0, stop - start) == _part_of(whole.condition, start, stop),
            "windows",
            f"read({index}, {start}, {stop}) is not that part of read({index}, 0, {num_times}), {where}",
            "the time steps start ≤ t < stop of the same trajectory; fields constant in time come with T = 1",
            "slice fields, time_T and conditions that change in time alike",
        )


def _check_again(whole: Trajectory, again: Trajectories, index: int, where: str) -> None:
    other = _read(again, index, 0, len(whole.time_T), where)
    require(
        all(torch.equal(value, other.fields[name]) for name, value in whole.fields.items())
        and whole.point_set == other.point_set,
        "repeatable",
        f"{where} is different when trajectories() is called again",
        "the same trajectories in the same order each time",
        "seed what is generated, sort what is listed (glob, set)",
    )


def _check_point_set(whole: Trajectory, coords_of: dict[int, Tensor], where: str) -> None:
    known = coords_of.setdefault(whole.point_set, whole.coords_NX)
    require(
        torch.equal(known, whole.coords_NX),
        "point_set",
        f"{where} has the point_set {whole.point_set} of another trajectory, but other coordinates",
        "equal numbers only where the coordinates are equal",
        "number the point sets: point_set=index where every trajectory has its own points",
    )


def _check_shared(first: Trajectory, split: Split, index: int, first_of: dict[str, tuple[Split, int]]) -> None:
    digest = hashlib.sha256()
    for name in sorted(first.fields):
        digest.update(first.fields[name].contiguous().numpy().tobytes())
    digest.update(first.time_T.numpy().tobytes() + first.coords_NX.contiguous().numpy().tobytes())
    digest.update(repr(sorted(first.condition.items())).encode())
    known, number = first_of.setdefault(digest.hexdigest(), (split, index))
    require(
        known == split,
        "splits",
        f"trajectory {index} of {split!r} begins as trajectory {number} of {known!r}",
        "splits that share no trajectory",
        "cut one shuffled list into three: upt_core.split_indices does it",
    )
