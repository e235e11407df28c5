"""Folders of frames at scattered points, as tensors in .th files: one file for each time step of a simulation.

This is how the data of the UPT tutorial are stored (often in half precision):

    case/x.th, y.th (and z.th)         coordinates, (N,)
    case/00000000_mesh.th, …           fields, (C, N); the number is that of the time step
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from upt_core import DataError
from upt_data.checks import Array, named_channels
from upt_data.files.categories import Categories
from upt_data.files.content import Content, Values
from upt_data.files.dataset import Domain, FileDataset, Selection, those_predicted
from upt_data.files.paths import Place
from upt_data.places import places
from upt_data.point_domain import PointDomain
from upt_data.splits import Fraction
from upt_data.torch_files import load_torch

FRAME = re.compile(r"(\d+)_mesh\.th")


class PointFrames(FileDataset):
    """Reads the frames of one case, or of a folder of cases; a frame is read when it is needed.

    Args:
        path: the folder of a case (with x.th, y.th and frames), a folder of such folders, a list or a pattern.
        fields: name → number of channels, in the order of the frames' channels; by default one field u of all.
        targets: names of the fields that are predicted; the others are given, such as a forcing. By default all.
        split_by: trajectory, which needs several cases; or time: the first frames of each case are for training, the
            next for validation, the last for the test. A split by time shows how well a known flow is continued, not
            how well a new one is predicted.
        time_step: physical time from one frame number to the next.
        time_stride: keep every n-th frame.
        extent: physical length of each axis; by default that of the points' bounding box.
        origin: lower corner of the domain; give it together with extent.
        periodic: whether the domain wraps around; if so, give extent and origin.
        valid_path: cases that are the whole validation split.
        test_path: cases that are the whole test split.
        conditions: numbers in the folders' names or columns of ``table`` that become conditions; by default all.
        table: CSV file of parameters: a column ``file`` with the folders' names, and one for each parameter.
        valid_fraction: share of the cases (or frames) kept for validation.
        test_fraction: share of the cases (or frames) kept for test.
        seed: seed of the split by trajectory.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
        holes: points without values, such as land in an ocean: they are left out, and the others become scattered
            points. ``nan``: NaN at the first time step; or a mask (.npy file), not 0 there (``not NAME``: 0 there).
        measure: the area or volume that each point represents, so that means are over space: an .npy file with one
            value for each cell; by default all points count the same.
        categories: conditions that are names, with their values, such as ``material: [steel, copper]``: each value
            becomes a condition that is 1 or 0; other values are refused.
    """

    what = "folder of a case (x.th, y.th, 00000000_mesh.th, …), or a folder of cases"

    def __init__(
        self,
        path: Path | list[Path],
        fields: dict[str, PositiveInt] | None = None,
        targets: Annotated[list[str], Field(min_length=1)] | None = None,
        split_by: Literal["trajectory", "time"] = "trajectory",
        time_step: PositiveFloat = 1.0,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        periodic: bool | list[bool] = False,
        valid_path: Path | list[Path] | None = None,
        test_path: Path | list[Path] | None = None,
        conditions: list[str] | None = None,
        table: Path | None = None,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
        holes: str | None = None,
        measure: str | None = None,
        categories: dict[str, list[str]] = {},  # noqa: B006
    ) -> None:
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
            Categories(categories),
            measure,
        )
        super().__init__(selection, (), ())
        self._fields = None if fields is None else dict(fields)
        self._predicted = targets
        self._time_step = time_step
        self._given_domain = PointDomain(extent, origin, periodic)

    def _is_one(self, path: Path) -> bool:
        return (path / "x.th").is_file()

    def _files_of(self, place: Place) -> list[Path]:
        return sorted(place.path.glob("*.th"))

    def _open(self, place: Place) -> list[Content]:
        return [open_case(place, self._fields, self._time_step)]

    def _names(self, content: Content) -> tuple[tuple[str, ...], tuple[str, ...]]:
        names = tuple(content.channels)
        return names, those_predicted(names, self._predicted, content.place.name)

    def _domain(self, contents: Sequence[Content]) -> Domain:
        return self._given_domain.around((content.points(0) for content in contents), self._selection.name)


class FramesContent(Content):
    """One case: a folder of frames.

    Args:
        place: the folder.
        channels: field → channels, in the order of the frames' channels.
        coords_NX: its points.
        frames: its files in the order of time.
        times: their times.
    """

    def __init__(
        self, place: Place, channels: dict[str, int], coords_NX: Tensor, frames: list[Path], times: Array
    ) -> None:
        super().__init__(place, 1, channels, steady=False)
        self._coords_NX = coords_NX
        self._frames = frames
        self._times = times

    def times(self, number: int) -> Array:
        """Times of the frames."""
        return self._times

    def points(self, number: int) -> Tensor:
        """The points of the case."""
        return self._coords_NX

    def num_points(self, number: int) -> int:
        """How many points the case has."""
        return len(self._coords_NX)

    @property
    def num_point_sets(self) -> int:
        """Every case has its own points."""
        return 1

    def read(self, field: str, number: int, steps: slice) -> Values:
        """Channels of the frames of some steps."""
        names = list(self.channels)
        before = sum(self.channels[name] for name in names[: names.index(field)])
        channels = slice(before, before + self.channels[field])
        return np.stack([self._frame(path)[channels].T for path in self._frames[steps]])

    def parts(self, field: str) -> str:
        """The frames that a field is read from."""
        return f"{field!r} of the frames"

    def _frame(self, path: Path) -> Values:
        frame_CN = _read_frame(path, len(self._coords_NX))
        expected = sum(self.channels.values())
        if len(frame_CN) != expected:
            raise DataError(f"{path}: has {len(frame_CN)} channels, the first frame has {expected}")
        return np.asarray(frame_CN.numpy())


def open_case(place: Place, fields: dict[str, int] | None, time_step: float) -> FramesContent:
    """A case, from its coordinates and its first frame.

    Raises:
        DataError: files are missing, damaged, or do not fit.
    """
    folder = place.path
    axes = [
        load_torch(folder / f"{letter}.th") for letter in "xyz" if letter == "x" or (folder / f"{letter}.th").is_file()
    ]
    if not all(isinstance(axis, Tensor) and axis.ndim == 1 and axis.shape == axes[0].shape for axis in axes):
        shapes = [tuple(axis.shape) if isinstance(axis, Tensor) else type(axis).__name__ for axis in axes]
        raise DataError(f"{folder}: x.th, y.th, z.th must each be a row of equally many numbers, found {shapes}")
    frames = {int(match[1]): item for item in folder.iterdir() if (match := FRAME.fullmatch(item.name))}
    steps = sorted(frames)
    if len(steps) < 2:
        raise DataError(f"{folder}: holds {len(steps)} frames (files 00000000_mesh.th, …); at least 2 are needed")
    coords_NX = places(torch.stack([axis.double() for axis in axes], dim=1))
    first = frames[steps[0]]
    found = len(_read_frame(first, len(coords_NX)))
    channels = named_channels(fields, found, str(first))
    times = np.array(steps, dtype=np.float64) * time_step
    return FramesContent(place, channels, coords_NX, [frames[step] for step in steps], times)


def _read_frame(path: Path, num_points: int) -> Tensor:
    frame_CN = load_torch(path)
    if not (isinstance(frame_CN, Tensor) and frame_CN.ndim == 2 and frame_CN.shape[1] == num_points):
        found = tuple(frame_CN.shape) if isinstance(frame_CN, Tensor) else type(frame_CN).__name__
        raise DataError(f"{path}: expected a tensor (channels, {num_points}), found {found}")
    return frame_CN if frame_CN.dtype == torch.float64 else frame_CN.float()
