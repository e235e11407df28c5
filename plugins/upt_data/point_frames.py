"""Folders of frames at scattered points, as tensors in .th files: one file for each time step of a simulation.

This is how the data of the UPT tutorial are stored (often in half precision):

    case/x.th, y.th (and z.th)         coordinates, (N,)
    case/00000000_mesh.th, …           fields, (C, N); the number is that of the time step
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, Split, Trajectories, Trajectory
from upt_data.checks import at_least, existing, finite
from upt_data.point_domain import check_domain, domain, periodic_axes
from upt_data.splits import Fraction, check_fractions, split_of
from upt_data.torch_files import load_torch

FRAME = re.compile(r"(\d+)_mesh\.th")


@dataclass(frozen=True)
class Case:
    """One simulation: its points and, in the order of time, its frames and their numbers."""

    folder: Path
    number: int
    coords_NX: Tensor
    frames: tuple[Path, ...]
    steps: tuple[int, ...]

    def part(self, start: int, stop: int) -> Case:
        """The frames start ≤ i < stop."""
        return Case(self.folder, self.number, self.coords_NX, self.frames[start:stop], self.steps[start:stop])


class PointFrames(Dataset):
    """Reads the frames of one case, or of a folder of cases; a frame is read when it is needed.

    Args:
        path: the folder of a case (with x.th, y.th and frames), or a folder of such folders.
        fields: name → number of channels, in the order of the frames' channels; by default one field u of all.
        split_by: trajectory, which needs several cases; or time: of each case the first frames train, the next
            validate, the last test. A split by time shows how far a known flow is continued, not how a new one is met.
        time_step: physical time from one frame number to the next.
        time_stride: keep every n-th frame.
        extent: physical length of each axis; by default that of the points' bounding box.
        origin: low corner of the domain; given together with extent.
        periodic: whether the domain wraps around; give extent and origin then.
        valid_fraction: share of the cases (or frames) kept for validation.
        test_fraction: share of the cases (or frames) kept for test.
        seed: of the split by trajectory.
    """

    def __init__(
        self,
        path: Path,
        fields: dict[str, PositiveInt] | None = None,
        split_by: Literal["trajectory", "time"] = "trajectory",
        time_step: PositiveFloat = 1.0,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        periodic: bool | list[bool] = False,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        check_domain(extent, origin, periodic)
        at_least(1, time_stride=time_stride)
        if split_by not in ("trajectory", "time"):
            raise ValueError(f"split_by is {split_by!r}; choose trajectory or time")
        if not time_step > 0:
            raise ValueError(f"time_step is {time_step}; it must be positive")
        self.path = Path(path)
        self.fields = fields
        self.split_by = split_by
        self.time_step = time_step
        self.time_stride = time_stride
        self.extent = extent
        self.origin = origin
        self.periodic = periodic
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> DataSpec:
        """Fields and domain, from the coordinates and the first frame."""
        extent, origin = domain([case.coords_NX for case in self._cases], self.extent, self.origin, str(self.path))
        fields = tuple(FieldSpec(name, channels) for name, channels in self._channels.items())
        periodic = periodic_axes(self.periodic, len(extent), str(self.path))
        return DataSpec(fields, fields, extent, periodic, origin=origin)

    def trajectories(self, split: Split) -> Trajectories:
        """The cases of a split, or the part of each case that belongs to it; nothing is read yet."""
        if self.split_by == "time":
            cases = [self._part(case, split) for case in self._cases]
        else:
            if len(self._cases) == 1:
                raise DataError(f"{self.path}: a single case cannot be split by trajectory; set split_by: time")
            num, where = len(self._cases), str(self.path)
            chosen = split_of(num, split, self.valid_fraction, self.test_fraction, self.seed, where)
            cases = [self._cases[index] for index in chosen]
        return FrameTrajectories(cases, self._channels, self.time_step)

    @cached_property
    def _cases(self) -> list[Case]:
        root = existing(self.path, folder=True)
        folders = [root] if (root / "x.th").is_file() else sorted(item.parent for item in root.glob("*/x.th"))
        if not folders:
            raise DataError(
                f"{root}: neither a case (x.th, y.th, 00000000_mesh.th, …) nor a folder of cases; correct 'path'"
            )
        return [_open_case(folder, number, self.time_stride) for number, folder in enumerate(folders)]

    @cached_property
    def _channels(self) -> dict[str, int]:
        first = self._cases[0]
        found = len(_read_frame(first.frames[0], len(first.coords_NX)))
        fields = {"u": found} if self.fields is None else dict(self.fields)
        if sum(fields.values()) != found:
            raise DataError(
                f"{first.frames[0]}: has {found} channels, but 'fields' names {sum(fields.values())} ({fields})"
            )
        return fields

    def _part(self, case: Case, split: Split) -> Case:
        """The block of a case's frames that belongs to a split; blocks follow each other in time."""
        num = len(case.frames)
        num_valid, num_test = (max(2, round(num * share)) for share in (self.valid_fraction, self.test_fraction))
        num_train = num - num_valid - num_test
        if num_train < 2:
            raise DataError(
                f"{case.folder}: {num} frames cannot be split into {num_valid} for validation, {num_test} for test and "
                f"at least 2 for training; use more frames, a smaller time_stride or smaller fractions"
            )
        bounds = {"train": (0, num_train), "valid": (num_train, num_train + num_valid), "test": (num - num_test, num)}
        return case.part(*bounds[split])


class FrameTrajectories:
    """Cases, or parts of them, whose frames are read when asked for."""

    def __init__(self, cases: list[Case], channels: Mapping[str, int], time_step: float) -> None:
        self._cases = cases
        self._channels = dict(channels)
        self._time_step = time_step

    def __len__(self) -> int:
        return len(self._cases)

    def num_times(self, index: int) -> int:
        """Number of frames of a case."""
        return len(self._cases[index].frames)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Frames start ≤ i < stop.

        Raises:
            DataError: a frame is missing, damaged, of another shape, or not finite.
        """
        case = self._cases[index].part(start, stop)
        frames = [self._read(path, case) for path in case.frames]
        parts = torch.split(torch.stack(frames), list(self._channels.values()), dim=-1)
        fields = dict(zip(self._channels, parts, strict=True))
        time_T = torch.tensor(case.steps, dtype=torch.float64) * self._time_step
        return Trajectory(fields, case.coords_NX, time_T, {}, point_set=case.number)

    def _read(self, path: Path, case: Case) -> Tensor:
        frame_CN = _read_frame(path, len(case.coords_NX))
        expected = sum(self._channels.values())
        if len(frame_CN) != expected:
            raise DataError(f"{path}: has {len(frame_CN)} channels, the first frame has {expected}")
        return finite(frame_CN.T[None, None], str(path), case.number, case.steps[case.frames.index(path)])[0, 0]


def _open_case(folder: Path, number: int, stride: int) -> Case:
    axes = [
        load_torch(folder / f"{letter}.th") for letter in "xyz" if letter == "x" or (folder / f"{letter}.th").is_file()
    ]
    if not all(isinstance(axis, Tensor) and axis.ndim == 1 and axis.shape == axes[0].shape for axis in axes):
        shapes = [tuple(axis.shape) if isinstance(axis, Tensor) else type(axis).__name__ for axis in axes]
        raise DataError(f"{folder}: x.th, y.th, z.th should each be a row of as many numbers, found {shapes}")
    found = {int(match[1]): item for item in folder.iterdir() if (match := FRAME.fullmatch(item.name))}
    steps = sorted(found)[::stride]
    if len(steps) < 2:
        raise DataError(
            f"{folder}: time_stride {stride} leaves fewer than 2 of {len(found)} frames (files 00000000_mesh.th, …)"
        )
    coords_NX = torch.stack([axis.float() for axis in axes], dim=1)
    return Case(folder, number, coords_NX, tuple(found[step] for step in steps), tuple(steps))


def _read_frame(path: Path, num_points: int) -> Tensor:
    frame_CN = load_torch(path)
    if not (isinstance(frame_CN, Tensor) and frame_CN.ndim == 2 and frame_CN.shape[1] == num_points):
        found = tuple(frame_CN.shape) if isinstance(frame_CN, Tensor) else type(frame_CN).__name__
        raise DataError(f"{path}: expected a tensor (channels, {num_points}), found {found}")
    return frame_CN.float()
