"""Trajectories of a data set → what an operator is asked: inputs, points, times and conditions of the samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from upt_core.data.normalize import TIME_STEP
from upt_core.data.training_data import grid_coords
from upt_core.errors import DataError
from upt_core.operator.answers import Answers, answers_of
from upt_core.operator.arrays import Values
from upt_core.operator.operator import Operator
from upt_core.operator.rollout import Space
from upt_core.specs import DataSpec, FieldSpec
from upt_core.trajectory import Trajectories, Trajectory


@dataclass(frozen=True)
class Request:
    """What is asked of an operator.

    Args:
        steps: time steps; None: as many as follow the input in the data, at least 1.
        space: in which rollouts go on.
        at: coordinates, or points along the axes of a grid; None: the points of the targets where the data have some
            of their own, else those of the input.
        batch_size: samples at a time.
        chunk: query points that are decoded at a time.
    """

    steps: int | None = None
    space: Space = "latent"
    at: Values | int | tuple[int, ...] | None = None
    batch_size: int = 16
    chunk: int = 1 << 16


@dataclass(frozen=True, eq=False)
class Asked:
    """The answers to one question, a batch after the other, which are computed as they are taken.

    Args:
        total: samples of all batches.
    """

    parts: Iterator[Answers]
    total: int

    def __iter__(self) -> Iterator[Answers]:
        return self.parts


@dataclass(frozen=True, eq=False)
class Case:
    """One sample: fields (history, *points, C), coords_NX (None: the grid of training), time_T, condition (T,).

    Args:
        given: the given fields that move, at the predicted steps, (T, *points, C), where the rollout sees them.
        unseen: names of those that move, where the rollout does not see it.
        at: where to answer, of data whose targets are at points of their own; None: as the request says.
    """

    fields: dict[str, Tensor]
    coords_NX: Tensor | None
    time_T: Tensor | None
    condition: dict[str, Tensor]
    given: dict[str, Tensor]
    unseen: tuple[str, ...] = ()
    at: Tensor | None = None

    def goes_with(self, other: Case) -> bool:
        """Whether both can be asked at once: the same points and times."""
        return (
            all(value.shape == other.fields[name].shape for name, value in self.fields.items())
            and self.given.keys() == other.given.keys()
            and self.unseen == other.unseen
            and _same(self.coords_NX, other.coords_NX)
            and _same(self.time_T, other.time_T)
            and _same(self.at, other.at)
        )


def answer(operator: Operator, trajectories: Trajectories, spec: DataSpec, request: Request) -> Asked:
    """The answers for all trajectories, in order.

    Args:
        spec: of the data set that the trajectories are from.

    Raises:
        DataError: the operator cannot take a trajectory; the message says which.
    """
    return Asked(_batches(operator, trajectories, spec, request), len(trajectories))


def _batches(operator: Operator, trajectories: Trajectories, spec: DataSpec, request: Request) -> Iterator[Answers]:
    batch: list[Case] = []
    for number in range(len(trajectories)):
        try:
            case = _case(operator, trajectories, number, spec, request)
        except DataError as error:
            raise DataError(f"trajectory {number}: {error}") from error
        if batch and (len(batch) == request.batch_size or not batch[0].goes_with(case)):
            yield _answers(operator, batch, number - len(batch), request)
            batch = []
        batch.append(case)
    if batch:
        yield _answers(operator, batch, len(trajectories) - len(batch), request)


def _answers(operator: Operator, batch: list[Case], first: int, request: Request) -> Answers:
    one, history = batch[0], operator.data.history
    fields = {name: torch.stack([case.fields[name] for case in batch]) for name in one.fields}
    if history == 1:
        fields = {name: value.squeeze(1) for name, value in fields.items()}
    try:
        prediction = operator.predict(
            {name: value.numpy() for name, value in fields.items()},
            one.coords_NX,
            request.at if one.at is None else one.at,
            None if operator.data.steady or one.time_T is None else len(one.time_T) - 1,
            request.space,
            {name: torch.stack([case.condition[name] for case in batch]) for name in one.condition},
            one.time_T,
            request.batch_size,
            request.chunk,
            {name: torch.stack([case.given[name] for case in batch]) for name in one.given},
        )
    except DataError as error:
        which = f"trajectory {first}" if len(batch) == 1 else f"trajectories {first} to {first + len(batch) - 1}"
        raise DataError(f"{which}: {error}") from error
    remarks = [
        f"the given field {name} changes in time, but a rollout in latent space reads it only at its input; a rollout "
        "in physical space reads it at each step"
        for name in one.unseen
    ]
    return answers_of(replace(prediction, remarks=(*prediction.remarks, *remarks)), operator.data)


def _case(operator: Operator, trajectories: Trajectories, number: int, spec: DataSpec, request: Request) -> Case:
    data, total = operator.data, trajectories.num_times(number)
    present = data.history - 1
    if not data.steady and total < data.history:
        raise DataError(f"has {total} time steps; the operator takes {data.history} as its input")
    steps = 1 if data.steady else request.steps or max(1, total - data.history)
    whole = trajectories.read(number, 0, 1 if data.steady else min(total, present + steps + 1))
    grid = whole.grid_shape or spec.grid_shape
    coords_NX = placed(operator, whole.coords_NX, grid)
    on_grid = grid is not None and (coords_NX is None or operator.model.encoder.needs_grid)
    shape = (grid or ()) if on_grid else (len(whole.coords_NX),)
    fields = {}
    for field in data.inputs:
        value_TNC = whole.fields[field.name]
        value_TNC = value_TNC[: data.history] if len(value_TNC) > 1 else value_TNC.expand(data.history, -1, -1)
        check_finite(value_TNC, field.name, whole.coords_NX)
        fields[field.name] = value_TNC.reshape(data.history, *shape, field.channels)
    time_T = None if data.steady else _times(whole.time_T[present:], steps, operator)
    moving = [field for field in data.given if len(whole.fields[field.name]) > 1 and steps > 1]
    conditions = _conditions(whole, data, present, steps)
    at = None if whole.targets is None or request.at is not None else whole.targets.coords_NX
    if request.space == "latent":
        return Case(fields, coords_NX, time_T, conditions, {}, tuple(field.name for field in moving), at)
    given = {field.name: _given(whole, field, present, steps, shape) for field in moving}
    return Case(fields, coords_NX, time_T, conditions, given, at=at)


def _given(whole: Trajectory, field: FieldSpec, present: int, steps: int, shape: tuple[int, ...]) -> Tensor:
    """A given field at the predicted steps, all but the last, which no rollout sees."""
    value_TNC = whole.fields[field.name][present + 1 : present + steps]
    if len(value_TNC) < steps - 1:
        raise DataError(
            f"given field {field.name!r} has values at {len(value_TNC)} time steps after the input, too few for "
            f"{steps} steps; predict at most {len(value_TNC) + 1} steps"
        )
    check_finite(value_TNC, field.name, whole.coords_NX)
    return value_TNC.reshape(len(value_TNC), *shape, field.channels)


def check_finite(value_TNC: Tensor, name: str, coords_NX: Tensor) -> None:
    """Refuses values that are NaN or infinite, and says where the first is.

    Raises:
        DataError: with the time step and the coordinates.
    """
    bad = torch.nonzero(~torch.isfinite(value_TNC).all(-1))
    if len(bad):
        step, point = bad[0].tolist()
        where = ", ".join(f"{float(x):.4g}" for x in coords_NX[point])
        raise DataError(
            f"field {name!r} is NaN or infinite at {len(bad)} points of the input, first at time step {step}, "
            f"point {point} ({where}); repair the input"
        )


def placed(operator: Operator, coords_NX: Tensor, grid_shape: tuple[int, ...] | None) -> Tensor | None:
    """The points to tell the operator of; None where they are the grid that it assumes.

    Raises:
        DataError: its encoder works on whole grids, and these are scattered points.
    """
    data, needs_grid = operator.data, operator.model.encoder.needs_grid
    if grid_shape is None or data.grid_shape is None:
        if needs_grid:
            raise DataError(f"{type(operator.model.encoder).__name__} works on whole grids; these are scattered points")
        return coords_NX
    assumed_NX = grid_coords(grid_shape, data, operator.training.ends)
    spacing_X = torch.tensor(data.extent).double() / torch.tensor(grid_shape)
    return None if bool(((coords_NX.double() - assumed_NX).abs() <= 1e-3 * spacing_X).all()) else coords_NX


def _times(time_T: Tensor, steps: int, operator: Operator) -> Tensor:
    """Times of the input and of each step; beyond the data, steps are as long as the last one."""
    time_T = time_T[: steps + 1].double()
    known = operator.training.time_step
    last = float(time_T[-1] - time_T[-2]) if len(time_T) > 1 else known[0] if known is not None else 1.0
    more = time_T[-1] + last * torch.arange(1, steps + 2 - len(time_T), dtype=torch.float64)
    return torch.cat([time_T, more])


def _conditions(whole: Trajectory, data: DataSpec, present: int, steps: int) -> dict[str, Tensor]:
    found = {}
    for name in data.condition:
        if name == TIME_STEP:
            continue
        value = torch.as_tensor(whole.condition[name], dtype=torch.float64)
        if value.dim() and len(value) - present < steps:
            raise DataError(
                f"condition {name!r} has values at {len(value)} time steps, too few for {steps} steps; predict fewer "
                "steps"
            )
        found[name] = value[present : present + steps] if value.dim() else value.expand(steps)
    return found


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return other is None if one is None else other is not None and torch.equal(one, other)
