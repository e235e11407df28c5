"""A user's arrays in physical units → a normalised batch: names, shapes and units are checked here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.normalize import TIME_STEP, Normalization
from upt_core.data.point_sets import scaled_coords
from upt_core.data.training_data import Range, TrainingData, grid_coords
from upt_core.errors import DataError
from upt_core.figures import many
from upt_core.points import Points
from upt_core.specs import DataSpec, FieldSpec

Array = npt.NDArray[Any]
Values = Tensor | Array | Sequence[Any] | float


@dataclass(frozen=True)
class Layout:
    """How a user's arrays are laid out, so that the answer is laid out alike.

    Args:
        shape: points along each axis of a grid; None: a list of points.
        batched: whether there is an axis of samples.
        numpy: whether numpy came, rather than tensors.
        dtype: of the answer.
    """

    shape: tuple[int, ...] | None
    batched: bool
    numpy: bool
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class Input:
    """Fields at points in physical units: the encoder's input (B, N, history × C), and where the points are.

    Args:
        coords_BNX: physical coordinates, float64; B is 1 where all samples share them.
        given_BTNC: the given fields at the steps of a rollout; None: they stay as the input has them.
    """

    value_BNC: Tensor
    coords_BNX: Tensor
    layout: Layout
    given_BTNC: Tensor | None = None

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is asked for."""
        return self.value_BNC.requires_grad or (self.given_BTNC is not None and self.given_BTNC.requires_grad)


def read_input(
    fields: Mapping[str, Values] | Values,
    coords: Values | None,
    data: DataSpec,
    training: TrainingData,
    needs_grid: bool = False,
) -> Input:
    """The input fields of one sample, or of several.

    Args:
        fields: name → values (*points), with an axis of samples before and one of channels after where there are any;
            an operator with history takes an axis of frames, oldest first, before the points. *points is the grid,
            or (N,) where ``coords`` are given. One array alone where there is one input field.
        coords: (N, X), or (B, N, X); None: the grid of the training data, with as many points as the arrays have.
        needs_grid: whether the encoder works on whole grids: ``coords`` are then those of the grid, row-major.

    Raises:
        DataError: names, shapes or values are not those of the operator's fields.
    """
    named = fields if isinstance(fields, Mapping) else _the_only(fields, data)
    _check_names(named, data)
    if coords is None and data.grid_shape is None:
        raise DataError(
            "the operator was trained at scattered points, so it needs the points of the values: give coords"
        )
    values = {field.name: read_values(named[field.name], f"field {field.name!r}") for field in data.inputs}
    on_grid = coords is None or needs_grid
    axes = data.num_axes if on_grid else 1
    parsed = [_parsed(values[field.name], field, axes, data.history) for field in data.inputs]
    first, batched = parsed[0]
    for field, (value, also) in zip(data.inputs, parsed, strict=True):
        if value.shape[:-1] != first.shape[:-1] or also != batched:
            raise DataError(
                f"field {field.name!r} has the shape {tuple(values[field.name].shape)}, {data.inputs[0].name!r} "
                f"{tuple(values[data.inputs[0].name].shape)}; all fields must be at the same points"
            )
    grid = tuple(first.shape[2:-1])
    value_BHNC = torch.cat([value.flatten(2, -2) for value, _ in parsed], dim=-1)
    value_BNC = value_BHNC.transpose(1, 2).flatten(2)
    sample = next(iter(values.values()))
    numpy = not any(isinstance(value, Tensor) for value in named.values())
    dtype = sample.dtype if sample.is_floating_point() and sample.dtype != torch.float16 else torch.float32
    where = grid_coords(grid, data, training.ends)[None] if coords is None else read_coords(coords, data, "coords")
    if where.shape[1] != value_BNC.shape[1] or where.shape[0] not in (1, len(value_BNC)):
        raise DataError(
            f"coords are {tuple(where.shape[1:])}, but fields have {value_BNC.shape[1]} points and "
            f"{len(value_BNC)} samples; give (points, {data.num_axes}), or as many of them as there are samples"
        )
    if coords is not None and needs_grid:
        _check_grid(where, grid, data, training)
    return Input(value_BNC, where, Layout(grid if on_grid else None, batched, numpy, dtype))


def _check_grid(coords_BNX: Tensor, shape: tuple[int, ...], data: DataSpec, training: TrainingData) -> None:
    """Refuses points that are no even grid over the box of training, up to half a spacing of the training grid.

    Raises:
        DataError: they lie elsewhere.
    """
    off_BNX = coords_BNX - grid_coords(shape, data, training.ends)
    spacing_X = torch.tensor(data.extent).double() / torch.tensor(shape)
    trained_X = torch.tensor(data.extent).double() / torch.tensor(data.grid_shape or shape)
    even = bool(((off_BNX - off_BNX.mean(1, keepdim=True)).abs() <= 0.05 * spacing_X).all())
    if not even or bool((off_BNX.abs() > 0.51 * trained_X).any()):
        raise DataError(
            f"the encoder works on an even grid over the box of training; these points are up to "
            f"{float((off_BNX.abs() / trained_X).max()):.2g} spacings away from it; use data on that grid, or an "
            "operator whose encoder takes scattered points"
        )


def read_coords(coords: Values, data: DataSpec, what: str) -> Tensor:
    """Physical coordinates (B or 1, N, X), float64.

    Raises:
        DataError: another number of axes, or values that are not finite.
    """
    value = read_values(coords, what).detach().cpu().double()
    if data.num_axes == 1 and value.dim() == 1:
        value = value.unsqueeze(-1)
    if value.dim() not in (2, 3) or value.shape[-1] != data.num_axes or value.shape[-2] == 0:
        raise DataError(
            f"{what} has the shape {tuple(value.shape)}; expected (points, {data.num_axes}), or (samples, points, "
            f"{data.num_axes})"
        )
    return value if value.dim() == 3 else value[None]


def read_conditions(
    conditions: Mapping[str, Values] | None,
    times: Tensor | None,
    data: DataSpec,
    training: TrainingData,
    samples: int,
    steps: int,
) -> Tensor | None:
    """condition_BTP of every step in physical units, float64; None where the operator is told none.

    Args:
        conditions: name → a number, (T,) numbers for the steps, or (B, 1) or (B, T); of conditions ``NAME=VALUE``
            NAME → VALUE.
        times: physical times of the input and of each step, (T + 1,).

    Raises:
        DataError: one is missing, unknown, or of another shape.
    """
    names = [name for name in data.condition if name != TIME_STEP]
    given = _of_categories(conditions or {}, names)
    unknown, missing = [n for n in given if n not in names], [n for n in names if n not in given]
    if unknown or missing:
        what = f"conditions lack {', '.join(missing)}" if missing else f"there is no condition {', '.join(unknown)}"
        raise DataError(f"{what}; the operator takes: {', '.join(names) or 'none'}")
    columns = {name: _per_step(read_values(given[name], f"condition {name!r}"), name, samples, steps) for name in names}
    if TIME_STEP in data.condition:
        if times is None:
            low, high = training.time_step or (0.0, 0.0)
            raise DataError(
                f"the operator needs the time between steps ({low:g} to {high:g} in training): give times, for the "
                "input and for each step"
            )
        columns[TIME_STEP] = times.diff().expand(samples, -1)
    if not data.condition:
        return None
    return torch.stack([columns[name] for name in data.condition], dim=-1)


def _of_categories(conditions: Mapping[str, Values], names: Sequence[str]) -> dict[str, Values]:
    """The conditions, with 1 and 0 for the values of one that is given as a name."""
    found: dict[str, Values] = {}
    for name, value in conditions.items():
        if not isinstance(value, str):
            found[name] = value
            continue
        known = [one for one in names if one.startswith(f"{name}=")]
        if f"{name}={value}" not in known:
            values = ", ".join(one.partition("=")[2] for one in known) or "no names for it"
            raise DataError(f"condition {name!r} is {value!r}; the operator knows: {values}")
        found |= {one: float(one == f"{name}={value}") for one in known}
    return found


def read_times(times: Values | None, steps: int | None, data: DataSpec, training: TrainingData) -> Tensor | None:
    """Physical times of the input and of each step, (T + 1,); None for steady problems, or where they do not matter.

    Raises:
        DataError: not increasing, not as many as there are steps, or steps that the operator cannot make.
    """
    if times is None or data.steady:
        return None
    value = read_values(times, "times").double().reshape(-1)
    if steps is not None and len(value) != steps + 1:
        raise DataError(f"there are {len(value)} times for {steps} steps; expected {steps + 1}, the input's first")
    if len(value) < 2 or not bool((value.diff() > 0).all()):
        raise DataError("times must increase; give the time of the input and of each step")
    check_time_step(value.diff(), data, training)
    return value


def check_time_step(step_T: Tensor, data: DataSpec, training: TrainingData) -> None:
    """Refuses time steps that an operator which is not told them cannot make.

    Raises:
        DataError: they differ from those of training by more than a thousandth.
    """
    if training.time_step is None or TIME_STEP in data.condition:
        return
    own = training.time_step[0]
    if float((step_T.double() - own).abs().max()) > 1e-3 * own * 1.5:
        raise DataError(
            f"a step of the operator is {own:g} in time, as in its training data, but the times are "
            f"{float(step_T[0]):g} apart; give times that are {own:g} apart"
        )


def as_batch(
    value: Input, condition_BTP: Tensor | None, data: DataSpec, normalization: Normalization, rows: slice
) -> Batch:
    """Some of the samples, normalised, on the device of the normalization; without targets."""
    device = normalization.mean_C.device
    input_BNC = normalization.inputs(value.value_BNC[rows].to(device))
    coords_BNX = unit_coords(value.coords_BNX, data, rows, len(input_BNC), device)
    points = Points(coords_BNX, value.layout.shape, extent=data.extent, periodic=data.periodic)
    condition = None if condition_BTP is None else normalization.condition(condition_BTP[rows].to(device))
    given = None if value.given_BTNC is None else normalization.given(value.given_BTNC[rows].to(device))
    return Batch(input_BNC, input_BNC.new_zeros(len(input_BNC), 0, 0, 0), points, condition, given_BTNC=given)


def unit_coords(coords_BNX: Tensor, data: DataSpec, rows: slice, samples: int, device: torch.device) -> Tensor:
    """Physical coordinates of some samples in the unit box, float32; samples that share them share their memory."""
    chosen = coords_BNX if len(coords_BNX) == 1 else coords_BNX[rows]
    scaled = torch.stack([scaled_coords(one, data) for one in chosen]).to(device)
    return scaled if len(scaled) == samples else scaled.expand(samples, -1, -1)


def read_query(
    at: Values | int | tuple[int, ...], data: DataSpec, ends: tuple[Range, ...] | None
) -> tuple[Tensor, tuple[int, ...] | None]:
    """Query points in physical units (B or 1, Q, X), and the shape of their grid where they are one.

    Args:
        at: coordinates; or points along each axis of a grid over the box, an int or a tuple of ints.

    Raises:
        DataError: another number of axes.
    """
    shape = (at,) * data.num_axes if isinstance(at, int) else at
    if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
        if len(shape) != data.num_axes or min(shape) < 1:
            raise DataError(
                f"a resolution of {' x '.join(map(str, shape))} does not fit; expected {data.num_axes} numbers, each "
                "at least 1"
            )
        return grid_coords(shape, data, ends)[None], shape
    return read_coords(at, data, "at"), None


def _the_only(value: Values, data: DataSpec) -> dict[str, Values]:
    if len(data.inputs) != 1:
        raise DataError(f"the operator takes {_names(data.inputs)}; give a mapping from names to values")
    return {data.inputs[0].name: value}


def _check_names(fields: Mapping[str, Values], data: DataSpec) -> None:
    names = [field.name for field in data.inputs]
    missing, unknown = [n for n in names if n not in fields], [n for n in fields if n not in names]
    if missing or unknown:
        said = [f"{', '.join(missing)} is missing"] if missing else []
        said += [f"there is no input field {', '.join(map(str, unknown))}"] if unknown else []
        raise DataError(f"{'; '.join(said)}; the operator takes {_names(data.inputs)}")


def _names(fields: Sequence[FieldSpec]) -> str:
    return ", ".join(f.name if f.channels == 1 else f"{f.name} ({f.channels} channels)" for f in fields)


def read_values(value: Any, what: str) -> Tensor:
    """Real, finite numbers as a tensor; gradients and float64 are kept.

    Args:
        what: begins the message.

    Raises:
        DataError: other numbers, or values that are NaN or infinite.
    """
    if not isinstance(value, Tensor):
        if isinstance(value, str | PathLike):
            raise DataError(f"{what} is the text {str(value)[:200]!r}; expected values, such as np.load(FILE)[NAME]")
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise DataError(f"{what} has values of type {array.dtype}; expected real numbers")
        # torch warns of memory that it may not write: that of a pandas series, or of np.load(mmap_mode="r")
        array = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
        return _finite(torch.as_tensor(array), what)
    if value.is_complex() or value.dtype == torch.bool:
        raise DataError(f"{what} has values of type {value.dtype}; expected real numbers")
    return _finite(value, what)


def _finite(value: Tensor, what: str) -> Tensor:
    bad = int((~torch.isfinite(value)).sum())
    if bad:
        first = tuple(torch.nonzero(~torch.isfinite(value))[0].tolist())
        raise DataError(
            f"{what} has {bad} NaN or infinite values of {value.numel()}, the first at index {first}; repair them first"
        )
    return value


def _parsed(value: Tensor, field: FieldSpec, axes: int, history: int) -> tuple[Tensor, bool]:
    """A field as (B, H, *points, C), and whether it had an axis of samples."""
    one, shape = (history > 1) + axes, tuple(value.shape)
    channels_last = field.channels > 1 or (value.dim() > one and value.shape[-1] == 1)
    if not channels_last:
        value = value.unsqueeze(-1)
    least = (history > 1) + axes + 1
    frames = value.unsqueeze(-axes - 2) if history == 1 and value.dim() >= least else value
    batched = frames.dim() == axes + 3
    frames = frames if batched else frames.unsqueeze(0)
    if (
        value.dim() < least
        or frames.dim() != axes + 3
        or frames.shape[-1] != field.channels
        or frames.shape[1] != history
        or 0 in frames.shape
    ):
        raise DataError(_shape_refused(field, shape, axes, history, value.dim() > least + 1))
    return frames, batched


def _shape_refused(field: FieldSpec, shape: tuple[int, ...], axes: int, history: int, more: bool) -> str:
    """What a field's shape is, and what it should be.

    Args:
        more: whether it has too many axes, as a whole trajectory has.
    """
    points = "points" if axes == 1 else ", ".join(f"points along axis {number + 1}" for number in range(axes))
    parts = [*(["history"] if history > 1 else []), points, *(["channels"] if field.channels > 1 else [])]
    expected = ", ".join(parts)
    return (
        f"field {field.name!r} has the shape {shape}; expected ({expected}) or (samples, {expected}), "
        f"with {many(field.channels, 'channel')}{f', {history} frames' if history > 1 else ''}"
        f"{'; for a trajectory, give its first time step' if more else ''}"
    )


def _per_step(value: Tensor, name: str, samples: int, steps: int) -> Tensor:
    try:
        return value.double().expand(samples, steps)
    except RuntimeError as error:
        raise DataError(
            f"condition {name!r} has the shape {tuple(value.shape)}; expected a number, ({steps},) for the steps, or "
            f"({samples}, 1) or ({samples}, {steps}) for samples"
        ) from error
