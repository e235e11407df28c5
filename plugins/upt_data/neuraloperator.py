"""The .pt files of the neuraloperator library: input and solution pairs, or trajectories, on the unit grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.checks import at_least, finite
from upt_data.grid import grid_points, stride_axis, unit_axis
from upt_data.memory import STEADY_TIME_T, on_shared_points
from upt_data.splits import Fraction, check_fractions, split_of, split_with_own_test
from upt_data.torch_files import load_torch


@dataclass(frozen=True)
class Samples:
    """What is used of one file: fields (B, T, N, C) by name on a grid, and their times."""

    steady: bool
    grid_shape: tuple[int, ...]
    time_T: Tensor
    fields: dict[str, Tensor]

    @property
    def shape(self) -> str:
        """Times and points, for messages."""
        return f"{len(self.time_T)} times and {' × '.join(map(str, self.grid_shape))} points"


class NeuralOperator(Dataset):
    """Reads ``darcy_train_16.pt`` and its like: a dict of tensors ``x`` and ``y``.

    Where ``y`` has the shape of ``x``, (samples, *grid), the problem is steady: ``x`` is the input field (often bool)
    and ``y`` the solution. Where ``y`` is (samples, times, *grid), it is a trajectory that begins with ``x``. The
    files hold no coordinates; point i of n lies at i/n of the extent, so that files of several resolutions agree.

    Args:
        path: the .pt file for training and validation, and for test where ``test_path`` is left out.
        test_path: a .pt file that is the whole test split; its resolution must equal that of ``path``.
        num_samples: use only the first samples of ``path``.
        num_test_samples: use only the first samples of ``test_path``.
        space_stride: keep every n-th point of each axis.
        time_stride: keep every n-th time step.
        input_field: name given to ``x`` of a steady problem.
        target_field: name given to ``y``.
        extent: physical length of each axis.
        final_time: time of the last step of a trajectory.
        periodic: whether the domain wraps around; by default trajectories do (Burgers), steady problems not (Darcy).
        valid_fraction: share of the samples of ``path`` kept for validation.
        test_fraction: share of the samples of ``path`` kept for test; not used where ``test_path`` is given.
        seed: of the split.
    """

    def __init__(
        self,
        path: Path,
        test_path: Path | None = None,
        num_samples: Annotated[int, Field(ge=2)] | None = None,
        num_test_samples: Annotated[int, Field(ge=1)] | None = None,
        space_stride: Annotated[int, Field(ge=1)] = 1,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        input_field: str = "a",
        target_field: str = "u",
        extent: PositiveFloat = 1.0,
        final_time: PositiveFloat = 1.0,
        periodic: bool | None = None,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        at_least(1, space_stride=space_stride, time_stride=time_stride, num_test_samples=num_test_samples)
        at_least(2, num_samples=num_samples)
        if input_field == target_field:
            raise ValueError(f"input_field and target_field are both {input_field!r}; give them different names")
        self.path = Path(path)
        self.test_path = None if test_path is None else Path(test_path)
        self.num_samples = num_samples
        self.num_test_samples = num_test_samples
        self.space_stride = space_stride
        self.time_stride = time_stride
        self.input_field = input_field
        self.target_field = target_field
        self.extent = extent
        self.final_time = final_time
        self.periodic = periodic
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> DataSpec:
        """One input and one target field where the problem is steady, else one field through time."""
        steady, shape = self._main.steady, self._main.grid_shape
        target = (FieldSpec(self.target_field),)
        inputs = (FieldSpec(self.input_field),) if steady else target
        periodic = (self._wraps(steady),) * len(shape)
        extent, origin = (self.extent,) * len(shape), (0.0,) * len(shape)
        return DataSpec(inputs, target, extent, periodic, shape, steady=steady, origin=origin)

    def trajectories(self, split: Split) -> Trajectories:
        """The samples of a split, in memory."""
        samples, num, where = self._main, len(self._main.fields[self.target_field]), str(self.path)
        if self.test_path is None:
            chosen = split_of(num, split, self.valid_fraction, self.test_fraction, self.seed, where)
        elif split == "test":
            samples = self._test
            chosen = list(range(len(samples.fields[self.target_field])))
        else:
            chosen = split_with_own_test(num, split, self.valid_fraction, self.seed, where)
        coords_NX = grid_points([unit_axis(points, self.extent) for points in samples.grid_shape])
        return on_shared_points(samples.fields, coords_NX, samples.time_T, chosen)

    @cached_property
    def _main(self) -> Samples:
        return self._read(self.path, self.num_samples)

    @cached_property
    def _test(self) -> Samples:
        assert self.test_path is not None
        samples = self._read(self.test_path, self.num_test_samples)
        theirs, ours = samples.shape, self._main.shape
        if theirs != ours:
            raise DataError(
                f"{self.test_path}: samples of {theirs}, but those of {self.path} are of {ours}; use files of one "
                f"resolution, or space_stride on a finer pair"
            )
        return samples

    def _wraps(self, steady: bool) -> bool:
        return not steady if self.periodic is None else self.periodic

    def _read(self, path: Path, limit: int | None) -> Samples:
        x, y = _x_and_y(load_torch(path), path)
        x, y = x[:limit], y[:limit]
        steady = x.ndim == y.ndim
        num_times = 1 if steady else y.shape[1]
        axes = [
            stride_axis(unit_axis(points), self.space_stride, self._wraps(steady), str(path)) for points in x.shape[1:]
        ]
        grid_shape = tuple(map(len, axes))
        stride = (slice(None, None, self.space_stride),) * (x.ndim - 1)
        target = _as_field(y.unsqueeze(1) if steady else y[:, :: self.time_stride], stride)
        fields = {self.target_field: finite(target, f"{path}, 'y'", stride=self.time_stride)}
        if steady:
            fields[self.input_field] = finite(_as_field(x.unsqueeze(1), stride), f"{path}, 'x'")
            return Samples(True, grid_shape, STEADY_TIME_T, fields)
        if target.shape[1] < 2:
            raise DataError(f"{path}: time_stride {self.time_stride} leaves fewer than 2 of {num_times} time steps")
        time_T = torch.linspace(0, self.final_time, num_times, dtype=torch.float64)[:: self.time_stride]
        return Samples(False, grid_shape, time_T, fields)


def _as_field(value: Tensor, stride: tuple[slice, ...]) -> Tensor:
    return value[(slice(None), slice(None), *stride)].flatten(2).unsqueeze(-1).float()


def _x_and_y(content: Any, path: Path) -> tuple[Tensor, Tensor]:
    pair = (content.get("x"), content.get("y")) if isinstance(content, dict) else (None, None)
    x, y = pair
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        found = f"a dict of {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{path}: expected a dict with the tensors 'x' and 'y', found {found}")
    steady = x.shape == y.shape
    moving = y.ndim == x.ndim + 1 and y.shape[:1] + y.shape[2:] == x.shape
    if x.ndim < 2 or len(x) == 0 or not (steady or moving):
        raise DataError(
            f"{path}: 'x' {tuple(x.shape)} and 'y' {tuple(y.shape)} do not fit; expected (samples, *grid) for both, or "
            f"'y' as (samples, times, *grid)"
        )
    if moving and not torch.allclose(x.double(), y[:, 0].double(), rtol=1e-4, atol=1e-6, equal_nan=True):
        raise DataError(f"{path}: 'x' is not the first time step of 'y'; store the initial condition in 'y' too")
    return x, y
