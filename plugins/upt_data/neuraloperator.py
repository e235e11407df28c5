"""The .pt files of the neuraloperator library: input and solution pairs, or trajectories, on the unit grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from upt_core import DataError, Split
from upt_data.arrays.grid_content import GridContent, Part, Variable
from upt_data.arrays.placement import Placement
from upt_data.arrays.source import ArraySource, MemorySource
from upt_data.checks import Array
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.grid import Grid, stride_axis, unit_axis
from upt_data.grid_domain import grid_domain, stride_at
from upt_data.splits import Fraction
from upt_data.torch_files import load_torch


class NeuralOperator(FileDataset):
    """Reads files such as ``darcy_train_16.pt``: a dict of tensors ``x`` and ``y``.

    If ``y`` has the shape of ``x``, (samples, *grid), the problem is steady: ``x`` is the input field (often bool,
    which becomes 0 and 1) and ``y`` the solution. If ``y`` is (samples, times, *grid), it is a trajectory that begins
    with ``x``. The files hold no coordinates; point i of n lies at i/n of the extent, so that files of several
    resolutions agree. Further tensors, except single numbers, mean that the file has another format; such files are
    refused.

    Args:
        path: the .pt file for training and validation, and for the test if ``test_path`` is not given; or a list, a
            pattern or a folder.
        test_path: files that are the whole test split, of any resolution.
        valid_path: files that are the whole validation split.
        num_samples: use only the first samples of ``path``.
        num_test_samples: use only the first samples of ``test_path``.
        space_stride: keep every n-th point of each axis.
        time_stride: keep every n-th time step.
        input_field: name given to ``x`` of a steady problem.
        target_field: name given to ``y``.
        extent: physical length of each axis.
        final_time: time of the last step of a trajectory.
        periodic: whether the domain wraps around; by default yes for trajectories (Burgers), no for steady problems
            (Darcy).
        conditions: single numbers of the files, in their names or in columns of ``table``, that become conditions. By
            default those in the names and in the table.
        table: CSV file of parameters: a column ``file`` (or ``trajectory``, or both) and one for each parameter.
        split_by: how the data are split: by trajectory, by file, or by time (the first steps of each trajectory are for
            training).
        valid_fraction: share of the samples of ``path`` kept for validation.
        test_fraction: share of the samples of ``path`` kept for test; not used if ``test_path`` is given.
        seed: seed of the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
        holes: points without values, such as land in an ocean: they are left out, and the others become scattered
            points. ``nan``: NaN at the first time step; or a mask (.npy file), not 0 there (``not NAME``: 0 there).
        measure: the area or volume that each point represents, so that means are over space: an .npy file with one
            value for each cell; by default all points count the same.
    """

    suffixes = (".pt",)

    def __init__(
        self,
        path: Path | list[Path],
        test_path: Path | list[Path] | None = None,
        valid_path: Path | list[Path] | None = None,
        num_samples: Annotated[int, Field(ge=1)] | None = None,
        num_test_samples: Annotated[int, Field(ge=1)] | None = None,
        space_stride: Annotated[int, Field(ge=1)] = 1,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        input_field: str = "a",
        target_field: str = "u",
        extent: PositiveFloat = 1.0,
        final_time: PositiveFloat = 1.0,
        periodic: bool | None = None,
        conditions: list[str] | None = None,
        table: Path | None = None,
        split_by: SplitBy = "trajectory",
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
        holes: str | None = None,
        measure: str | None = None,
    ) -> None:
        if input_field == target_field:
            raise ValueError(f"input_field and target_field are both {input_field!r}; give them different names")
        selection = Selection(
            path, valid_path, test_path, split_by, num_samples, time_stride, conditions, table, valid_fraction,
            test_fraction, seed, history, holes, measure=measure,
        )  # fmt: skip
        super().__init__(selection, (input_field,), (target_field,))
        self._num_test_samples = num_test_samples
        self._space_stride = space_stride
        self._extent = extent
        self._final_time = final_time
        self._periodic = periodic

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """Another ``space_stride``, where it leaves so many points of the files' grid."""
        return stride_at(self.contents, grid_shape)

    def _open(self, place: Place) -> list[Content]:
        handle: Handle[ArraySource] = Handle(place.path, open_pair)
        source = handle.get()
        x, y = source.shape("x"), source.shape("y")
        steady, num_axes = len(x) == len(y), len(x) - 1
        axes = tuple(
            stride_axis(unit_axis(points, self._extent), self._space_stride, self._wraps(steady), str(place.path))
            for points in x[1:]
        )
        grid = Grid(axes, x[1:], self._space_stride)
        space = tuple(range(1, 1 + num_axes))
        variables = [_variable(self._targets[0], "y", None if steady else 1, tuple(range(len(y) - num_axes, len(y))))]
        if steady:
            variables.insert(0, _variable(self._inputs[0], "x", None, space))
        times = None if steady else np.linspace(0, self._final_time, y[1])
        return [GridContent(place, handle, len(y) and y[0], variables, grid, times, _numbers(source.attributes()))]

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._inputs if content.steady else self._targets, self._targets

    def _domain(self, contents: Sequence[Content]) -> Domain:
        found = grid_domain(contents, lambda num_axes: (self._wraps(contents[0].steady),) * num_axes)
        num_axes = len(found.extent)
        return Domain((self._extent,) * num_axes, found.periodic, found.grid_shape, (0.0,) * num_axes)

    def _pairs(self, split: Split | None) -> list[tuple[Content, int]]:
        pairs = super()._pairs(split)
        return pairs[: self._num_test_samples] if split == "test" else pairs

    def _wraps(self, steady: bool) -> bool:
        return not steady if self._periodic is None else self._periodic


def open_pair(path: Path) -> ArraySource:
    """The tensors ``x`` and ``y`` of a file; single numbers beside them are attributes.

    Raises:
        DataError: the file has another layout.
    """
    content = load_torch(path)
    x, y = _x_and_y(content, path)
    numbers = {name: value for name, value in content.items() if name not in ("x", "y")}
    return MemorySource({"x": _array(x), "y": _array(y)}, numbers)


def _array(value: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    return np.asarray((value.float() if value.dtype == torch.bfloat16 else value).numpy())


def _variable(name: str, array: str, time: int | None, grid: tuple[int, ...]) -> Variable:
    return Variable(name, (Part((array,), Placement(0, time, grid), 1),))


def _numbers(content: Mapping[str, Any]) -> dict[str, Array]:
    numbers = {name: np.asarray(value, dtype=np.float64).reshape(-1) for name, value in content.items()}
    return {name: value for name, value in numbers.items() if value.size == 1}


def _x_and_y(content: Any, path: Path) -> tuple[Tensor, Tensor]:
    pair = (content.get("x"), content.get("y")) if isinstance(content, dict) else (None, None)
    x, y = pair
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        found = f"a dict of {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        raise DataError(
            f"{path}: expected a dict with the tensors 'x' and 'y', found {found}; store it so, or name another file"
        )
    _check_others(content, path)
    if x.is_complex() or y.is_complex():
        raise DataError(f"{path}: 'x' or 'y' is complex; store the real and imaginary parts as separate fields")
    steady = x.shape == y.shape
    moving = y.ndim == x.ndim + 1 and y.shape[:1] + y.shape[2:] == x.shape
    if x.ndim < 2 or len(x) == 0 or not (steady or moving):
        raise DataError(
            f"{path}: 'x' {tuple(x.shape)} and 'y' {tuple(y.shape)} do not fit; expected (samples, *grid) for both, or "
            f"'y' as (samples, times, *grid)"
        )
    if moving and not torch.allclose(x.double(), y[:, 0].double(), rtol=1e-4, atol=_small(y), equal_nan=True):
        raise DataError(f"{path}: 'x' is not the first time step of 'y'; store the initial condition in 'y' too")
    return x, y


def _small(value: Tensor) -> float:
    """A difference that rounding explains, in the units of the values."""
    return 1e-6 * float(value[:, 0].double().nan_to_num().abs().amax())


def _check_others(content: Mapping[Any, Any], path: Path) -> None:
    """Refuses what this layout does not have: a mesh, for example, whose x and y are coordinates."""
    others = {
        str(name): tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        for name, value in content.items()
        if name not in ("x", "y") and not (isinstance(value, int | float) or getattr(value, "numel", int)() == 1)
    }
    if others:
        found = ", ".join(f"{name} {shape}" for name, shape in others.items())
        raise DataError(
            f"{path}: besides 'x' and 'y', the file holds {found}, so 'x' and 'y' may not be input and solution "
            "(coordinates, for example); save a dict with only these two, or use another data set (npz, points, "
            "point_cases)"
        )
