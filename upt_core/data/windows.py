"""Trajectories → samples: every time step of a trajectory with the steps before and after it that one asks for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from upt_core.data.normalize import TIME_STEP, condition_rows
from upt_core.errors import DataError
from upt_core.specs import DataSpec
from upt_core.stacked import StackedWindows, read_many
from upt_core.trajectory import TargetPoints, Trajectories, Trajectory, grid_of


@dataclass(frozen=True)
class Sample:
    """One window in physical units: input_NC, target_TNC, and where it comes from.

    Args:
        number: of the sample in its split.
        first_NC: target fields at t = 0 of the trajectory; None for steady problems, and where nobody asks for them.
        condition_TP: conditioning values of each step, float64; None where there are none.
        measure_N: area or volume of the cell around each point; None: each point counts the same.
        grid_shape: its grid, where that may be another than that of the data set.
        given_TNC: fields that are inputs but not targets at the target steps; None where they do not change in time.
        time_T: physical times of the present and of the target steps; None for steady problems.
        targets: the points of the targets, without fields, where these are not those of the inputs.
        later_TNC: the input fields at the target steps, where the targets are apart and there is time.
    """

    number: int
    input_NC: Tensor
    target_TNC: Tensor
    first_NC: Tensor | None
    condition_TP: Tensor | None
    coords_NX: Tensor
    point_set: int
    given_TNC: Tensor | None = None
    measure_N: Tensor | None = None
    time_T: Tensor | None = None
    grid_shape: tuple[int, ...] | None = None
    targets: TargetPoints | None = None
    later_TNC: Tensor | None = None


@dataclass(frozen=True)
class Samples:
    """Several samples on the same points, in physical units: row b of each tensor is what ``Sample`` has.

    Args:
        numbers: of the samples in their split.
        first_BNC: target fields at t = 0 of their trajectories; None as in ``Sample``.
        condition_BTP: conditioning values of each step, float64; None where there are none.
        coords_NX, point_set, measure_N, grid_shape: of all of them, as in ``Sample``.
        given_BTNC: as ``Sample.given_TNC``; None where these fields do not change in time.
    """

    numbers: Sequence[int]
    input_BNC: Tensor
    target_BTNC: Tensor
    first_BNC: Tensor | None
    condition_BTP: Tensor | None
    coords_NX: Tensor
    point_set: int
    measure_N: Tensor | None
    grid_shape: tuple[int, ...] | None
    given_BTNC: Tensor | None


class Windows:
    """The samples of a split: for each trajectory every start from which ``horizon`` targets follow.

    Args:
        trajectories: of one split.
        data: what is known of the data set.
        horizon: target time steps of a sample; 0: every state as an input, without targets.
        condition: names of the conditioning values.
        first_only: only the window that starts at t = 0 of each trajectory, for rollouts.
        reference: whether samples carry the state at t = 0, which is another read of the file for each.

    Raises:
        DataError: no trajectory is long enough.
    """

    def __init__(
        self,
        trajectories: Trajectories,
        data: DataSpec,
        horizon: int,
        condition: tuple[str, ...] = (),
        first_only: bool = False,
        reference: bool = False,
    ) -> None:
        self.trajectories = trajectories
        self.data = data
        self.horizon = horizon
        self.condition = condition
        self.reference = reference and not data.steady
        counts = [self._num_windows(i) for i in range(len(trajectories))]
        if first_only:
            counts = [min(count, 1) for count in counts]
        if sum(counts) == 0:
            longest = max((trajectories.num_times(i) for i in range(len(trajectories))), default=0)
            raise DataError(
                f"the run needs {horizon} target time steps after {_inputs(data)}, but the longest of "
                f"{len(trajectories)} trajectories has {longest} time steps; use a shorter rollout"
            )
        self._ends = list(accumulate(counts))

    def __len__(self) -> int:
        return self._ends[-1]

    def locate(self, number: int) -> tuple[int, int]:
        """The trajectory and the time step at which a sample starts: its oldest frame."""
        index = bisect_right(self._ends, number)
        return index, number - (self._ends[index - 1] if index else 0)

    def number_of(self, index: int, start: int) -> int:
        """The number of the sample whose oldest frame is at a time step of a trajectory."""
        return (self._ends[index - 1] if index else 0) + start

    def _num_windows(self, index: int) -> int:
        if self.data.steady:
            return 1 if self.horizon <= 1 else 0
        return max(0, self.trajectories.num_times(index) - self.horizon - (self.data.history - 1))

    def __getitem__(self, number: int) -> Sample:
        index, start = self.locate(number)
        present = self.data.history - 1  # of the window's time steps, the one that targets follow
        stop = start + present + self.horizon + 1 if not self.data.steady else 1
        window = self.trajectories.read(index, start, stop)
        target_TNC = self._targets(window.target_fields)
        return Sample(
            number,
            self._input(window.fields),
            target_TNC if self.data.steady else target_TNC[present + 1 :],
            self._first(index, start, window) if self.reference else None,
            self._conditions(window, present) if self.condition else None,
            window.coords_NX,
            window.point_set,
            self._given(window.fields, len(window.time_T)),
            window.measure_N,
            None if self.data.steady else window.time_T[present:],
            window.grid_shape,
            None if window.targets is None else replace(window.targets, fields={}),
            self._later(window),
        )

    def together(self, numbers: Sequence[int]) -> Samples | None:
        """Several samples, read at once; None where the data set cannot, or they are not alike: ask for each then."""
        present = self.data.history - 1
        steps = 1 if self.data.steady else present + self.horizon + 1
        places = [self.locate(number) for number in numbers]
        if self.data.steady:
            places = [(index, 0) for index, _ in places]
        window = read_many(self.trajectories, [(index, start, start + steps) for index, start in places])
        first = window
        if window is not None and self.reference and any(start for _, start in places):
            first = read_many(self.trajectories, [(index, 0, 1) for index, _ in places])
        if window is None or first is None:
            return None
        target_BTNC = self._targets(window.fields)
        return Samples(
            numbers,
            self._input(window.fields, time_axis=1),
            target_BTNC if self.data.steady else target_BTNC[:, present + 1 :],
            self._targets(first.fields)[:, 0] if self.reference else None,
            self._stacked_conditions(window)[:, present:] if self.condition else None,
            window.coords_NX,
            window.point_set,
            window.measure_N,
            window.grid_shape,
            self._given(window.fields, steps, time_axis=1),
        )

    def grid_shape(self, number: int) -> tuple[int, ...] | None:
        """The grid of a sample, where it may be another than that of the data set."""
        return grid_of(self.trajectories, self.locate(number)[0])

    def of_grids(self) -> list[range | list[int]]:
        """The numbers of the samples on each grid, in the order in which grids first occur; mostly there is one."""
        found: dict[tuple[int, ...] | None, list[range]] = {}
        for index, end in enumerate(self._ends):
            numbers = range(self._ends[index - 1] if index else 0, end)
            found.setdefault(grid_of(self.trajectories, index), []).append(numbers)
        if len(found) == 1:
            return [range(len(self))]
        return [[number for numbers in ranges for number in numbers] for ranges in found.values()]

    def runs_of_grids(self) -> list[range]:
        """The numbers of all samples in order, in pieces on one grid each; mostly there is one."""
        found: list[range] = []
        last: tuple[int, ...] | None = None
        for index, end in enumerate(self._ends):
            grid, start = grid_of(self.trajectories, index), found[-1].stop if found else 0
            if end == start:
                continue
            if found and grid == last:
                found[-1] = range(found[-1].start, end)
            else:
                found.append(range(start, end))
            last = grid
        return found

    def _first(self, index: int, start: int, window: Trajectory) -> Tensor:
        """Target fields at t = 0 of a trajectory (N, C)."""
        first = window if start == 0 else self.trajectories.read(index, 0, 1)
        return self._targets(first.target_fields)[0]

    def _conditions(self, window: Trajectory, present: int) -> Tensor:
        """Conditions of the steps from the present on, (T, P)."""
        return condition_rows(window.condition, window.time_T, self.condition, self.data.steady)[present:]

    def _stacked_conditions(self, window: StackedWindows) -> Tensor:
        """Conditions of each step of the windows, (B, T, P)."""
        rows = 1 if self.data.steady else window.time_BT.shape[1] - 1
        columns = []
        for name in self.condition:
            value = window.time_BT.double().diff(dim=1) if name == TIME_STEP else window.condition[name]
            columns.append(value[:, None].expand(-1, rows) if value.dim() == 1 else value[:, :rows])
        return torch.stack(columns, dim=-1)

    def _input(self, fields: Mapping[str, Tensor], time_axis: int = 0) -> Tensor:
        """The input fields of each frame of history, oldest first, along the channels."""
        values = [fields[field.name] for field in self.data.inputs]
        frames = range(self.data.history)
        return _joined([v.select(time_axis, min(time, v.shape[time_axis] - 1)) for time in frames for v in values])

    def _targets(self, fields: Mapping[str, Tensor]) -> Tensor:
        return _joined([fields[field.name] for field in self.data.targets])

    def _given(self, fields: Mapping[str, Tensor], times: int, time_axis: int = 0) -> Tensor | None:
        """The given fields at the target steps; None where none of them moves."""
        given = [fields[field.name] for field in self.data.given]
        if self.data.steady or all(value.shape[time_axis] == 1 for value in given):
            return None
        return self._at_targets(given, times, time_axis)

    def _later(self, window: Trajectory) -> Tensor | None:
        """The input fields at the target steps; None where the targets tell them, or there is no time."""
        if window.targets is None or self.data.steady:
            return None
        return self._at_targets([window.fields[field.name] for field in self.data.inputs], len(window.time_T), 0)

    def _at_targets(self, values: list[Tensor], times: int, time_axis: int) -> Tensor:
        """Fields, some of which may be constant in time, at the target steps."""
        at_each = [value.expand(*value.shape[:time_axis], times, -1, -1) for value in values]
        history = self.data.history
        return _joined([value.narrow(time_axis, history, times - history) for value in at_each])


def still_given(sample: Sample, data: DataSpec) -> Tensor:
    """The given fields of a sample in which they do not move, at its target steps (T, N, C)."""
    frame_NC = data.last_frame(sample.input_NC)
    parts = [frame_NC[:, data.channels_of(field.name, data.inputs)] for field in data.given]
    return _joined(parts).expand(len(sample.target_TNC), -1, -1)


def _inputs(data: DataSpec) -> str:
    return "an input" if data.history == 1 else f"an input of {data.history} frames"


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
