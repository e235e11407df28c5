"""Folders of frames on a grid: one array (.npy) or image file for each time step of a simulation or experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from upt_core import DataError
from upt_data.arrays.frames import REAL, frames_of, open_frames
from upt_data.arrays.grid_content import GridContent, Part, Variable
from upt_data.arrays.placement import Placement
from upt_data.arrays.source import ArraySource
from upt_data.checks import Array, named_channels
from upt_data.files.categories import Categories
from upt_data.files.content import Content
from upt_data.files.dataset import Domain, FileDataset, Selection, SplitBy, those_predicted
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.grid import Grid, stride_axis, unit_axis
from upt_data.grid_domain import grid_domain, stride_at
from upt_data.point_domain import periodic_axes
from upt_data.splits import Fraction

IMAGE_AXES = ("row", "column")
"""Plots show fields of images as images: rows go downwards."""


class Frames(FileDataset):
    """Reads a folder for each trajectory, with one .npy array (*grid, channels) or image for each time step.

    Frames are taken in the natural order of their names, and read when they are needed. Without ``fields`` an array
    is one scalar field; an image has its one or three colours as channels. The first axis of an image counts rows,
    from the top.

    Args:
        path: the folder of one trajectory, a folder of such folders, a list or a pattern (the number at ``{name}``
            becomes the condition of this name).
        fields: name → number of channels, in the order of the frames' last axis; by default one field ``u``.
        targets: names of the fields that are predicted; the others are given, such as a forcing. By default all.
        extent: physical length of each axis; by default 1 for the axis with the most points and the same spacing along
            the others, so that pixels are square.
        time_step: physical time from frame to frame.
        periodic: whether the domain wraps around; one value, or one for each axis.
        conditions: numbers in the folders' names or columns of ``table`` that become conditions; by default all.
        time_stride: keep every n-th frame.
        space_stride: keep every n-th point of each axis.
        valid_path: folders that are the whole validation split.
        test_path: folders that are the whole test split.
        table: CSV file of parameters: a column ``file`` with the folders' names, and one for each parameter.
        split_by: how the data are split: by trajectory, or by time (the first frames of each trajectory are for
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

    what = "folder of frames (.npy or images), or a folder of such folders"

    def __init__(
        self,
        path: Path | list[Path],
        fields: dict[str, PositiveInt] | None = None,
        targets: Annotated[list[str], Field(min_length=1)] | None = None,
        extent: list[PositiveFloat] | None = None,
        time_step: PositiveFloat = 1.0,
        periodic: bool | list[bool] = False,
        conditions: list[str] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        space_stride: Annotated[int, Field(ge=1)] = 1,
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
        named = Categories(categories)
        selection = Selection(
            path,
            valid_path,
            test_path,
            split_by,
            None,
            time_stride,
            conditions,
            table,
            valid_fraction,
            test_fraction,
            seed,
            history,
            holes,
            named,
            measure,
        )
        super().__init__(selection, (), ())
        self._fields = None if fields is None else dict(fields)
        self._predicted = targets
        self._extent = extent
        self._time_step = time_step
        self._periodic = periodic
        self._space_stride = space_stride

    def _is_one(self, path: Path) -> bool:
        return bool(frames_of(path))

    def _files_of(self, place: Place) -> list[Path]:
        return frames_of(place.path)

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """Another ``space_stride``, where it leaves so many points of the files' grid."""
        return stride_at(self.contents, grid_shape)

    def _open(self, place: Place) -> list[Content]:
        handle: Handle[ArraySource] = Handle(place.path, open_frames)
        shape, kind = handle.get().shape("frames"), handle.get().dtype("frames").kind
        if kind not in REAL:
            raise DataError(f"{place.path}: frames do not hold real numbers; store real values, one channel for each")
        has_channels = self._fields is not None or place_has_channels(place.path)
        size = shape[1:-1] if has_channels else shape[1:]
        channels = named_channels(self._fields, shape[-1] if has_channels else 1, str(place.path))
        axes = self._axes(size, place)
        placement = Placement(None, 0, tuple(range(1, 1 + len(size))), (1 + len(size),) if has_channels else ())
        variables, first = [], 0
        for name, number in channels.items():
            part = Part(("frames",), placement, number, picked=slice(first, first + number))
            variables.append(Variable(name, (part,)))
            first += number
        grid = Grid(axes, size, self._space_stride)
        times, names = np.arange(shape[0]) * self._time_step, IMAGE_AXES if place_has_channels(place.path) else ()
        return [GridContent(place, handle, 1, variables, grid, times, axes=names)]

    def _axes(self, size: tuple[int, ...], place: Place) -> tuple[Array, ...]:
        extent = self._extent_of(size)
        if len(extent) != len(size) or not 1 <= len(size) <= 3:
            raise DataError(
                f"{place.path}: frames have {len(size)} axes of points {size}, 'extent' has {len(extent)}; give one "
                f"length for each, and name channels in 'fields'"
            )
        wraps = periodic_axes(self._periodic, len(size), str(place.path))
        return tuple(
            stride_axis(unit_axis(points, length), self._space_stride, wrap, f"{place.path}, axis {number}")
            for number, (points, length, wrap) in enumerate(zip(size, extent, wraps, strict=True))
        )

    def _extent_of(self, size: Sequence[int]) -> tuple[float, ...]:
        """What is given; else 1 along the axis with the most points, the same spacing along the others."""
        return tuple(points / max(size) for points in size) if self._extent is None else tuple(self._extent)

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        names = tuple(content.channels)
        return names, those_predicted(names, self._predicted, content.place.name)

    def _domain(self, contents: Sequence[Content]) -> Domain:
        found = grid_domain(contents, lambda num: periodic_axes(self._periodic, num, self._selection.name))
        first = contents[0]
        assert isinstance(first, GridContent)
        extent = self._extent_of(first.grid.file_shape)
        return Domain(extent, found.periodic, found.grid_shape, (0.0,) * len(extent))


def place_has_channels(folder: Path) -> bool:
    """Whether the last axis of a folder's frames counts channels: that of images does."""
    return frames_of(folder)[0].suffix.lower() != ".npy"
