"""PDEBench's HDF5 files: the layout is recognised, time steps are read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from upt_data.arrays.grid_content import GridContent
from upt_data.arrays.hdf5 import open_hdf5_arrays
from upt_data.arrays.source import ArraySource
from upt_data.checks import Array
from upt_data.files.categories import Categories
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.foreign import reading
from upt_data.grid import Grid, stride_axis
from upt_data.grid_domain import grid_domain, stride_at
from upt_data.hdf5 import open_hdf5
from upt_data.pdebench_layouts import AXIS_NAMES, detect
from upt_data.splits import Fraction


class PdeBench(FileDataset):
    """Reads HDF5 files of PDEBench (arXiv:2210.07182) in any of its layouts.

    The layouts are those of 1-D Burgers, advection and reaction-diffusion (``tensor``), of compressible flow (one
    dataset for each variable; Vx, Vy, Vz become the field ``velocity``), of diffusion-sorption, diffusion-reaction and
    shallow water (a group for each trajectory), of Darcy flow (steady: ``nu`` to the solution), and of incompressible
    flow. Coordinates come from the file; the length of an axis is the number of its points times their spacing. Several
    files of one equation can be one data set, and the model learns the dependence on their parameters: ``path:
    Burgers/*_Nu{nu}.hdf5``.

    Args:
        path: the .hdf5 or .h5 file, a list of files, a pattern or a folder; the number at ``{name}`` in a pattern
            becomes the condition of this name.
        field: name of the field if the file gives none.
        conditions: attributes of the files, numbers in their names or columns of ``table`` that become conditions. By
            default those in the names and in the table.
        num_trajectories: use only the first trajectories of ``path``.
        time_stride: keep every n-th time step; PDEBench's baselines use 5 of its released files.
        space_stride: keep every n-th point of each axis; PDEBench's baselines use 4 in one dimension.
        periodic: whether the domain wraps around. By default yes for the layouts tensor and compressible flow (unless
            the file's name has ``_trans_``), no for the others.
        valid_path: files that are the whole validation split.
        test_path: files that are the whole test split.
        table: CSV file of parameters: a column ``file`` (or ``trajectory``, or both) and one for each parameter.
        split_by: how the data are split: by trajectory, by file, or by time (the first steps of each trajectory are for
            training).
        valid_fraction: share kept for validation.
        test_fraction: share kept for test.
        seed: seed of the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
        holes: points without values, such as land in an ocean: they are left out, and the others become scattered
            points. ``nan``: NaN at the first time step; or a mask (.npy file), not 0 there (``not NAME``: 0 there).
        measure: the area or volume that each point represents, so that means are over space: an .npy file with one
            value for each cell; by default all points count the same.
        categories: conditions that are names, with their values, such as ``material: [steel, copper]``: each value
            becomes a condition that is 1 or 0; other values are refused.
    """

    suffixes = (".hdf5", ".h5")

    def __init__(
        self,
        path: Path | list[Path],
        field: str = "u",
        conditions: list[str] | None = None,
        num_trajectories: Annotated[int, Field(ge=1)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        space_stride: Annotated[int, Field(ge=1)] = 1,
        periodic: bool | None = None,
        valid_path: Path | list[Path] | None = None,
        test_path: Path | list[Path] | None = None,
        table: Path | None = None,
        split_by: SplitBy = "trajectory",
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
        holes: str | None = None,
        measure: str | None = None,
        categories: dict[str, list[str]] = {},  # noqa: B006
    ) -> None:
        selection = Selection(
            path, valid_path, test_path, split_by, num_trajectories, time_stride, conditions, table, valid_fraction,
            test_fraction, seed, history, holes, Categories(categories), measure,
        )  # fmt: skip
        super().__init__(selection, (), ())
        self._field = field
        self._space_stride = space_stride
        self._periodic = periodic
        self._roles: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._wraps = False

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """Another ``space_stride``, where it leaves so many points of the files' grid."""
        return stride_at(self.contents, grid_shape)

    def _open(self, place: Place) -> list[Content]:
        cure = "the file is damaged; download or copy it again"
        with open_hdf5(place.path) as file, reading(f"{place.path}: cannot be read", cure):
            layout = detect(file, place.path, self._field)
            parameters = _numbers(file.attrs)
        wraps = layout.periodic if self._periodic is None else self._periodic
        axes = tuple(
            stride_axis(axis, self._space_stride, wraps, f"{place.path}, axis {letter}")
            for letter, axis in zip(AXIS_NAMES, layout.axes, strict=False)
        )
        grid = Grid(axes, tuple(map(len, layout.axes)), self._space_stride)
        handle: Handle[ArraySource] = Handle(place.path, open_hdf5_arrays)
        content = GridContent(place, handle, layout.num, layout.fields, grid, layout.times, parameters)
        self._roles = (
            tuple(variable.name for variable in layout.inputs),
            tuple(variable.name for variable in layout.targets),
        )
        self._wraps = wraps
        return [content]

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._roles

    def _domain(self, contents: Sequence[Content]) -> Domain:
        return grid_domain(contents, lambda num_axes: (self._wraps,) * num_axes)


def _numbers(attributes: Mapping[str, Any]) -> dict[str, Array]:
    """The attributes that are one number each."""
    values = {name: np.asarray(value) for name, value in attributes.items()}
    return {
        name: value.reshape(1).astype(np.float64)
        for name, value in values.items()
        if value.size == 1 and value.dtype.kind in "fiu"
    }
