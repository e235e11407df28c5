"""What cannot be trained on or measured is refused, with its place: fields, values, points, times and conditions."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from upt_core.data.blocks import Blocks
from upt_core.data.normalize import TIME_STEP
from upt_core.errors import DataError
from upt_core.remarks import remark
from upt_core.specs import DataSpec, FieldSpec
from upt_core.trajectory import Split, Trajectories, Trajectory

MOST_VALUES = 2**28
"""So many values of a split are checked; of a larger split evenly spaced trajectories, and those of training all."""
QUIET_SECONDS = 10.0
"""Seconds between two lines that say how far reading came; what takes less than this says nothing."""


def check_split(trajectories: Trajectories, spec: DataSpec, split: Split, most_values: int = MOST_VALUES) -> None:
    """Reads a split, or evenly spaced trajectories of a large one, and checks each as ``check_trajectory`` does.

    Raises:
        DataError: see ``check_trajectory``.
    """
    blocks = Blocks(trajectories)
    total = sum(trajectories.num_times(index) * blocks.frame for index in range(len(trajectories)))
    kept = len(trajectories) if total <= most_values else max(1, len(trajectories) * most_values // total)
    chosen = sorted(set(torch.linspace(0, len(trajectories) - 1, kept).round().long().tolist()))
    for number in said(chosen, f"checking the split {split!r}"):
        for start, block in blocks.of(number):
            check_trajectory(block, spec, place(number, split), start)


def check_trajectory(trajectory: Trajectory, spec: DataSpec, where: str, first: int = 0) -> None:
    """Refuses what cannot be trained on or measured.

    Args:
        where: begins the message.
        first: time step of the trajectory at which a block of it begins.

    Raises:
        DataError: a field is missing, of another shape or of no real numbers, or a value, a condition or a coordinate
            is not finite, or time does not increase.
    """
    targets = trajectory.targets
    if spec.targets_apart != (targets is not None):
        found = "none" if targets is None else "points of their own"
        raise DataError(
            f"{where}: its targets have {found}, but the data set's spec() says targets_apart={spec.targets_apart}; "
            "correct the data set"
        )
    num_times, at_inputs = len(trajectory.time_T), spec.inputs if targets is not None else spec.fields
    _check_fields(trajectory.fields, at_inputs, (num_times, len(trajectory.coords_NX)), where, first)
    places = [trajectory.coords_NX]
    if targets is not None:
        places.append(targets.coords_NX)
        size = (num_times, len(targets.coords_NX))
        _check_fields(targets.fields, spec.targets, size, f"{where}, target points", first)
        _check_states(trajectory, spec, where)
    if not all(bool(torch.isfinite(coords_NX).all()) for coords_NX in places):
        raise DataError(f"{where}: a coordinate is NaN or infinite; remove or repair it")
    if not spec.steady:
        _check_times(trajectory.time_T.double(), where)
    for name in spec.condition:
        if name != TIME_STEP:
            _check_condition(trajectory, name, spec.steady, where)


def _check_fields(
    fields: Mapping[str, Tensor], expected: Sequence[FieldSpec], size: tuple[int, int], where: str, first: int
) -> None:
    for field in expected:
        if field.name not in fields:
            found = ", ".join(fields) or "none"
            raise DataError(f"{where}: field {field.name!r} is missing; found: {found}; correct the data set")
        _check_field(fields[field.name], field.name, (*size, field.channels), where, first)


def _check_states(trajectory: Trajectory, spec: DataSpec, where: str) -> None:
    """A predicted field moves, so what the encoder reads of it must be known at every time step."""
    for field in spec.inputs:
        known = len(trajectory.fields[field.name])
        if not spec.steady and field in spec.targets and known != len(trajectory.time_T):
            raise DataError(
                f"{where}: field {field.name!r} is predicted, but at the input points it has values at only {known} "
                f"of {len(trajectory.time_T)} time steps; give it values at all time steps, or give the encoder's "
                "input another name"
            )


def _check_field(value: Tensor, name: str, shape: tuple[int, int, int], where: str, first: int) -> None:
    if not value.is_floating_point():
        kind = "complex numbers" if value.is_complex() else str(value.dtype).removeprefix("torch.")
        cure = "give its real and imaginary part as two channels" if value.is_complex() else "convert it to floats"
        raise DataError(f"{where}: field {name!r} holds {kind}; expected real floating-point numbers; {cure}")
    if tuple(value.shape) not in (shape, (1, *shape[1:])):
        raise DataError(
            f"{where}: field {name!r} has shape {tuple(value.shape)}, expected {shape} (times, points, channels); "
            f"correct the data set"
        )
    if not torch.isfinite(value).all():
        bad = first + int((~torch.isfinite(value)).any(-1).any(-1).nonzero()[0])
        raise DataError(
            f"{where}: field {name!r} has NaN or infinite values, first at time step {bad}; remove or repair it"
        )


def _check_times(time_T: Tensor, where: str) -> None:
    steps = time_T.diff()
    if len(steps) == 0:
        count = "1 time step" if len(time_T) == 1 else f"{len(time_T)} time steps"
        raise DataError(f"{where} has {count}; expected at least 2")
    if not steps.min() > 0:
        raise DataError(
            f"{where}: physical time must increase from step to step; the smallest step is {float(steps.min()):g}"
        )


def _check_condition(trajectory: Trajectory, name: str, steady: bool, where: str) -> None:
    if name not in trajectory.condition:
        found = ", ".join(trajectory.condition) or "none"
        raise DataError(f"{where}: condition {name!r} is missing; found: {found}; correct the data set")
    value = trajectory.condition[name]
    numbers = [value] if isinstance(value, int | float) else value.flatten().tolist()
    if not steady and len(numbers) not in (1, len(trajectory.time_T)):
        raise DataError(
            f"{where}: condition {name!r} has {len(numbers)} values; expected one, or one for each of the "
            f"{len(trajectory.time_T)} time steps"
        )
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{where}: condition {name!r} is NaN or infinite; remove or repair it")


def place(number: int, split: Split) -> str:
    """How messages call a trajectory."""
    what = {"train": "training", "valid": "validation", "test": "test"}[split]
    return f"trajectory {number} of the {what} split"


def said(numbers: Sequence[int], what: str, every: float = QUIET_SECONDS) -> Iterator[int]:
    """The numbers of trajectories, with a line on how far it came now and then; quick work says nothing."""
    last = time.monotonic()
    for done, number in enumerate(numbers):
        if time.monotonic() - last >= every and done:
            remark(f"{what}: {done} of {len(numbers)} trajectories read")
            last = time.monotonic()
        yield number
