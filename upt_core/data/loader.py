"""Trajectories → samples → batches: batch k is a pure function of (seed, k), so the position is one integer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from upt_core.batch import Batch
from upt_core.data.normalize import Normalization, condition_rows
from upt_core.data.point_sets import PointSets
from upt_core.data.read_ahead import read_ahead
from upt_core.errors import DataError
from upt_core.points import Points, stack_padded
from upt_core.processes import Share
from upt_core.seeding import generator
from upt_core.specs import DataSpec
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
                f"{horizon} target time steps after {_inputs(data)} are asked for, but the longest of "
                f"{len(trajectories)} trajectories has {longest} time steps; ask for a shorter rollout"
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
        target_TNC = self._targets(window)
        return Sample(
            number,
            self._input(window),
            target_TNC if self.data.steady else target_TNC[present + 1 :],
            self._first(index, start, window) if self.reference else None,
            self._conditions(window, present) if self.condition else None,
            window.coords_NX,
            window.point_set,
            self._given(window),
            window.measure_N,
            None if self.data.steady else window.time_T[present:],
            window.grid_shape,
            None if window.targets is None else replace(window.targets, fields={}),
            self._later(window),
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
        return self._targets(window if start == 0 else self.trajectories.read(index, 0, 1))[0]

    def _conditions(self, window: Trajectory, present: int) -> Tensor:
        """Conditions of the steps from the present on, (T, P)."""
        return condition_rows(window.condition, window.time_T, self.condition, self.data.steady)[present:]

    def _input(self, window: Trajectory) -> Tensor:
        """The input fields of each frame of history, oldest first, along the channels."""
        fields = [window.fields[field.name] for field in self.data.inputs]
        return _joined([value[min(time, len(value) - 1)] for time in range(self.data.history) for value in fields])

    def _targets(self, window: Trajectory) -> Tensor:
        return _joined([window.target_fields[field.name] for field in self.data.targets])

    def _given(self, window: Trajectory) -> Tensor | None:
        """The given fields at the target steps; None where none of them moves."""
        fields = [window.fields[field.name] for field in self.data.given]
        if self.data.steady or all(len(value) == 1 for value in fields):
            return None
        return _joined([_at_each(value, len(window.time_T))[self.data.history :] for value in fields])

    def _later(self, window: Trajectory) -> Tensor | None:
        """The input fields at the target steps; None where the targets tell them, or there is no time."""
        if window.targets is None or self.data.steady:
            return None
        fields = [window.fields[field.name] for field in self.data.inputs]
        return _joined([_at_each(value, len(window.time_T))[self.data.history :] for value in fields])


def _at_each(value_TNC: Tensor, times: int) -> Tensor:
    """A field that may be constant in time, at each time step."""
    return value_TNC.expand(times, -1, -1)


def still_given(sample: Sample, data: DataSpec) -> Tensor:
    """The given fields of a sample in which they do not move, at its target steps (T, N, C)."""
    frame_NC = data.last_frame(sample.input_NC)
    parts = [frame_NC[:, data.channels_of(field.name, data.inputs)] for field in data.given]
    return _joined(parts).expand(len(sample.target_TNC), -1, -1)


def _inputs(data: DataSpec) -> str:
    return "an input" if data.history == 1 else f"an input of {data.history} frames"


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


class Latents(Protocol):
    """Latents of every state of a split, by number."""

    states: Windows

    def rows(self, numbers: Sequence[int]) -> Tensor:
        """latent_BLD of states by number."""
        ...


class Batches(Dataset[Batch]):
    """The batches of a split, by number; the numbers go on from epoch to epoch.

    All samples of a batch are on one grid. Where there are several grids, each epoch deals the samples of each grid
    into batches, and shuffles these; without a seed samples keep their order, and a batch ends where the grid changes.

    Args:
        windows: the samples.
        normalization: scales fields and conditions.
        batch_size: samples of a batch; the last batch of an epoch may have fewer.
        seed: of the order of samples; None: in their own order.
        latents: cached latents of every state; batches carry those of their inputs and targets.
        share: the rows of every batch that are collated here; the others are those of other processes.
        point_sets: owns the points of the data set, with what is needed of them; None: its own, without needs.
    """

    def __init__(
        self,
        windows: Windows,
        normalization: Normalization,
        batch_size: int,
        seed: int | None = None,
        latents: Latents | None = None,
        share: Share = Share(),  # noqa: B008  it is frozen
        point_sets: PointSets | None = None,
    ) -> None:
        self.latents = latents
        self.windows = windows
        self.normalization = normalization.on("cpu")  # the model moves its own to its device
        self.batch_size = batch_size
        self.seed = seed
        self.share = share
        self.point_sets = point_sets or PointSets(windows.data)
        self._keys: dict[int, bytes] = {}
        self._target_keys: dict[int, bytes] = {}
        self._permutation: tuple[int, list[int]] = (-1, [])
        self._one_grid = windows.runs_of_grids() if seed is None else windows.of_grids()
        self._dealt: tuple[int, list[list[int]]] = (-1, [])

    @property
    def data(self) -> DataSpec:
        """What is known of the data set."""
        return self.windows.data

    @property
    def parts(self) -> dict[str, Batches]:
        """These batches as those of the only task."""
        return {"": self}

    @property
    def counts(self) -> dict[str, int]:
        """Batches of each task in an epoch; there is one task, without a name."""
        return {"": self.per_epoch}

    @property
    def num_samples(self) -> int:
        """Samples of an epoch."""
        return len(self.windows)

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return sum(-(-len(numbers) // self.batch_size) for numbers in self._one_grid)

    def rows(self, number: int) -> int:
        """Samples of a batch, those of all processes together."""
        if len(self._one_grid) > 1:
            return len(self._chosen(number))
        first = number % self.per_epoch * self.batch_size
        return min(self.batch_size, len(self.windows) - first)

    def __getitem__(self, number: int) -> Batch:
        return self.collate([self.windows[i] for i in self.share.of(self._chosen(number))])

    def _chosen(self, number: int) -> Sequence[int]:
        """The samples of a batch."""
        epoch, position = divmod(number, self.per_epoch)
        if len(self._one_grid) > 1:
            return self._dealt_of(epoch)[position]
        order = self._order_of(epoch)
        return order[position * self.batch_size : (position + 1) * self.batch_size]

    def _dealt_of(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch whose samples are on several grids."""
        if self._dealt[0] != epoch:
            place = {number: position for position, number in enumerate(self._order_of(epoch))}
            ordered = [sorted(numbers, key=place.__getitem__) for numbers in self._one_grid]
            size = self.batch_size
            parts = [own[start : start + size] for own in ordered for start in range(0, len(own), size)]
            if self.seed is not None:
                rng = generator("cpu", self.seed, "grids", epoch)
                parts = [parts[index] for index in torch.randperm(len(parts), generator=rng).tolist()]
            self._dealt = (epoch, parts)
        return self._dealt[1]

    def iterate(self, start: int, stop: int, workers: int = 0, pin_memory: bool = False) -> Iterator[Batch]:
        """Batches start ≤ k < stop, read ahead by ``workers`` processes."""
        if workers:
            self.point_sets.share()
        return read_ahead(self, start, stop, workers, pin_memory)

    def _order_of(self, epoch: int) -> Sequence[int]:
        if self.seed is None:
            return range(len(self.windows))
        if self._permutation[0] != epoch:  # one is kept: batches of an epoch are asked for one after the other
            rng = generator("cpu", self.seed, "batches", epoch)
            self._permutation = (epoch, torch.randperm(len(self.windows), generator=rng).tolist())
        return self._permutation[1]

    def in_order(self) -> Batches:
        """All samples in their own order, without cached latents, in batches no larger than this process has."""
        size = self.share.largest(self.batch_size)
        return Batches(self.windows, self.normalization, size, point_sets=self.point_sets)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """A normalised batch; rows with fewer points than the largest are padded at the end."""
        inputs = stack_padded([sample.input_NC for sample in samples])
        targets = stack_padded([sample.target_TNC for sample in samples], axis=1)
        scale = self.normalization
        firsts = [s.first_NC for s in samples if s.first_NC is not None]
        conditions = [s.condition_TP for s in samples if s.condition_TP is not None]
        input_points = self._stacked([self._point_set(sample) for sample in samples], samples)
        target_points = self._points_of_targets(samples)
        return Batch(
            scale.inputs(inputs),
            scale.targets(targets),
            target_points or input_points,
            scale.condition(torch.stack(conditions)) if conditions else None,
            scale.targets(stack_padded(firsts)) if firsts else None,
            self._latents(samples) if self.latents is not None else None,
            self._given(samples),
            own_input_points=input_points if target_points is not None else None,
            later_BTNC=self._later(samples),
        )

    def _given(self, samples: Sequence[Sample]) -> Tensor | None:
        """Given fields at the target steps; None where those of no sample move."""
        if all(sample.given_TNC is None for sample in samples):
            return None
        rows = [still_given(s, self.data) if s.given_TNC is None else s.given_TNC for s in samples]
        return self.normalization.given(stack_padded(rows, axis=1))

    def _latents(self, samples: Sequence[Sample]) -> Tensor:
        assert self.latents is not None
        steps = 1 if self.data.steady else self.windows.horizon + 1
        numbers: list[int] = []
        for sample in samples:
            first = self.latents.states.number_of(*self.windows.locate(sample.number))
            numbers += range(first, first + steps)
        latent = self.latents.rows(numbers)
        return latent.view(len(samples), steps, *latent.shape[1:])

    def _later(self, samples: Sequence[Sample]) -> Tensor | None:
        """Input fields at the target steps, where the targets are apart."""
        rows = [sample.later_TNC for sample in samples if sample.later_TNC is not None]
        return self.normalization.frames(stack_padded(rows, axis=1)) if rows else None

    def _stacked(self, rows: Sequence[Points], samples: Sequence[Sample]) -> Points:
        return Points.stack(rows, self.point_sets.needs, torch.tensor([sample.number for sample in samples]))

    def _points_of_targets(self, samples: Sequence[Sample]) -> Points | None:
        """The points of the targets; None where they are those of the inputs."""
        apart = [sample.targets for sample in samples if sample.targets is not None]
        return self._stacked([self._target_set(targets) for targets in apart], samples) if apart else None

    def _target_set(self, targets: TargetPoints) -> Points:
        """The target points of a sample."""
        sets, key = self.point_sets.of_targets, self._target_keys.get(targets.point_set)
        if key is not None:
            return sets.get(key, targets.coords_NX, targets.measure_N)
        self._target_keys[targets.point_set], points = sets.find(targets.coords_NX, targets.measure_N)
        return points

    def _point_set(self, sample: Sample) -> Points:
        """The points of a sample. A number stands for the same points wherever it occurs in a split."""
        key = self._keys.get(sample.point_set)
        if key is not None:
            return self.point_sets.get(key, sample.coords_NX, sample.measure_N, sample.grid_shape)
        self._keys[sample.point_set], points = self.point_sets.find(
            sample.coords_NX, sample.measure_N, sample.grid_shape
        )
        return points
