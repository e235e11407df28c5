"""Samples → batches: batch k is a pure function of (seed, k), so the position in the data is one integer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from upt_core.batch import Batch
from upt_core.data.normalize import Normalization
from upt_core.data.point_sets import PointSets
from upt_core.data.read_ahead import read_ahead
from upt_core.data.windows import Sample, Windows, still_given
from upt_core.needs import stack_padded
from upt_core.points import Points
from upt_core.processes import Share
from upt_core.seeding import generator
from upt_core.specs import DataSpec


class Latents(Protocol):
    """Latents of every state of a split, by number."""

    states: Windows

    def rows(self, numbers: Sequence[int]) -> Tensor:
        """latent_BLD of states by number."""
        ...


class Batches(Dataset[Batch]):
    """The batches of a split, by number; the numbers go on from epoch to epoch.

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
        self._permutation: tuple[int, list[int]] = (-1, [])

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
        return -(-len(self.windows) // self.batch_size)

    def rows(self, number: int) -> int:
        """Samples of a batch, those of all processes together."""
        first = number % self.per_epoch * self.batch_size
        return min(self.batch_size, len(self.windows) - first)

    def __getitem__(self, number: int) -> Batch:
        epoch, position = divmod(number, self.per_epoch)
        order = self._order_of(epoch)
        chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
        return self.collate([self.windows[i] for i in self.share.of(chosen)])

    def iterate(self, start: int, stop: int, workers: int = 0, pin_memory: bool = False) -> Iterator[Batch]:
        """Batches start ≤ k < stop, read ahead by ``workers`` processes."""
        if workers:
            self.point_sets.share()
        return read_ahead(self, start, stop, workers, pin_memory)

    def _order_of(self, epoch: int) -> Sequence[int]:
        if self.seed is None:
            return range(len(self.windows))
        if self._permutation[0] != epoch:
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
        return Batch(
            scale.inputs(inputs),
            scale.targets(targets),
            self._points(samples),
            scale.condition(torch.stack(conditions)) if conditions else None,
            scale.targets(stack_padded(firsts)) if firsts else None,
            self._latents(samples) if self.latents is not None else None,
            self._given(samples),
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

    def _points(self, samples: Sequence[Sample]) -> Points:
        rows = [self._point_set(sample) for sample in samples]
        numbers = torch.tensor([sample.number for sample in samples])
        return Points.stack(rows, self.point_sets.needs, numbers)

    def _point_set(self, sample: Sample) -> Points:
        """The points of a sample. A number stands for the same points wherever it occurs in a split."""
        key = self._keys.get(sample.point_set)
        if key is not None:
            return self.point_sets.get(key, sample.coords_NX, sample.measure_N)
        self._keys[sample.point_set], points = self.point_sets.find(sample.coords_NX, sample.measure_N)
        return points
