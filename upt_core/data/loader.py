"""Samples → batches: batch k is a pure function of (seed, k), so the position is one integer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from upt_core.batch import Batch
from upt_core.data.normalize import Normalization, Scales
from upt_core.data.point_sets import PointSets
from upt_core.data.read_ahead import read_ahead
from upt_core.data.windows import Sample, Samples, Windows, still_given
from upt_core.points import Points, stack_padded
from upt_core.processes import Share
from upt_core.seeding import generator
from upt_core.specs import DataSpec
from upt_core.trajectory import TargetPoints


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
        self._scales = Scales(self.normalization)
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
        return self.of(self.share.of(self._chosen(number)))

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

    def of(self, numbers: Sequence[int]) -> Batch:
        """The batch of some samples: read at once where the data set can do that, else one by one."""
        together = self.windows.together(numbers)
        return self.collate([self.windows[i] for i in numbers]) if together is None else self._collated(together)

    def _collated(self, samples: Samples) -> Batch:
        """A normalised batch of samples that were read at once: what ``collate`` gives, bit for bit."""
        scale, rows = self._scales, [self._point_set(samples)] * len(samples.numbers)
        given = samples.given_BTNC
        return Batch(
            scale.inputs(samples.input_BNC),
            scale.targets(samples.target_BTNC),
            self._stacked(rows, samples.numbers),
            None if samples.condition_BTP is None else scale.condition(samples.condition_BTP),
            None if samples.first_BNC is None else scale.targets(samples.first_BNC),
            None if self.latents is None else self._latents(samples.numbers),
            None if given is None or scale.given is None else scale.given(given),
        )

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """A normalised batch; rows with fewer points than the largest are padded at the end."""
        inputs = stack_padded([sample.input_NC for sample in samples])
        targets = stack_padded([sample.target_TNC for sample in samples], axis=1)
        scale = self._scales
        firsts = [s.first_NC for s in samples if s.first_NC is not None]
        conditions = [s.condition_TP for s in samples if s.condition_TP is not None]
        numbers = [sample.number for sample in samples]
        input_points = self._stacked([self._point_set(sample) for sample in samples], numbers)
        target_points = self._points_of_targets(samples)
        return Batch(
            scale.inputs(inputs),
            scale.targets(targets),
            target_points or input_points,
            scale.condition(torch.stack(conditions)) if conditions else None,
            scale.targets(stack_padded(firsts)) if firsts else None,
            self._latents(numbers) if self.latents is not None else None,
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

    def _latents(self, numbers: Sequence[int]) -> Tensor:
        assert self.latents is not None
        steps = 1 if self.data.steady else self.windows.horizon + 1
        states: list[int] = []
        for number in numbers:
            first = self.latents.states.number_of(*self.windows.locate(number))
            states += range(first, first + steps)
        latent = self.latents.rows(states)
        return latent.view(len(numbers), steps, *latent.shape[1:])

    def _later(self, samples: Sequence[Sample]) -> Tensor | None:
        """Input fields at the target steps, where the targets are apart."""
        rows = [sample.later_TNC for sample in samples if sample.later_TNC is not None]
        return self.normalization.frames(stack_padded(rows, axis=1)) if rows else None

    def _stacked(self, rows: Sequence[Points], numbers: Sequence[int]) -> Points:
        return Points.stack(rows, self.point_sets.needs, torch.tensor(numbers))

    def _points_of_targets(self, samples: Sequence[Sample]) -> Points | None:
        """The points of the targets; None where they are those of the inputs."""
        apart = [sample.targets for sample in samples if sample.targets is not None]
        return self._stacked([self._target_set(t) for t in apart], [s.number for s in samples]) if apart else None

    def _target_set(self, targets: TargetPoints) -> Points:
        """The target points of a sample."""
        sets, key = self.point_sets.of_targets, self._target_keys.get(targets.point_set)
        if key is not None:
            return sets.get(key, targets.coords_NX, targets.measure_N)
        self._target_keys[targets.point_set], points = sets.find(targets.coords_NX, targets.measure_N)
        return points

    def _point_set(self, sample: Sample | Samples) -> Points:
        """The points of a sample. A number stands for the same points wherever it occurs in a split."""
        key = self._keys.get(sample.point_set)
        if key is not None:
            return self.point_sets.get(key, sample.coords_NX, sample.measure_N, sample.grid_shape)
        self._keys[sample.point_set], points = self.point_sets.find(
            sample.coords_NX, sample.measure_N, sample.grid_shape
        )
        return points
