"""Samples → batches: batch k is a pure function of (seed, k), so the position in the data is one integer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from upt_core.batch import Batch
from upt_core.data.normalize import Normalization
from upt_core.data.read_ahead import read_ahead
from upt_core.data.windows import Sample, Windows, still_given
from upt_core.locality import hilbert_order
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
        with_order: whether scattered points carry a locality order, computed once per point set.
        latents: cached latents of every state; batches carry those of their inputs and targets.
        share: the rows of every batch that are collated here; the others are those of other processes.
    """

    def __init__(
        self,
        windows: Windows,
        normalization: Normalization,
        batch_size: int,
        seed: int | None = None,
        with_order: bool = False,
        latents: Latents | None = None,
        share: Share = Share(),  # noqa: B008  it is frozen
    ) -> None:
        self.latents = latents
        self.windows = windows
        self.normalization = normalization.on("cpu")  # the model moves its own to its device
        self.batch_size = batch_size
        self.seed = seed
        self.with_order = with_order
        self.share = share
        self._coords: dict[int, Tensor] = {}
        self._orders: dict[int, Tensor] = {}
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
        return Batches(self.windows, self.normalization, size, None, self.with_order)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """A normalised batch; rows with fewer points than the largest are padded at the end."""
        width = max(len(sample.coords_NX) for sample in samples)
        inputs = torch.stack([_padded(sample.input_NC, width, 0) for sample in samples])
        targets = torch.stack([_padded(sample.target_TNC, width, 1) for sample in samples])
        scale = self.normalization
        firsts = [_padded(s.first_NC, width, 0) for s in samples if s.first_NC is not None]
        conditions = [s.condition_TP for s in samples if s.condition_TP is not None]
        return Batch(
            scale.inputs(inputs),
            scale.targets(targets),
            self._points(samples, width),
            scale.condition(torch.stack(conditions)) if conditions else None,
            scale.targets(torch.stack(firsts)) if firsts else None,
            self._latents(samples) if self.latents is not None else None,
            self._given(samples, width),
        )

    def _given(self, samples: Sequence[Sample], width: int) -> Tensor | None:
        """Given fields at the target steps; None where those of no sample move."""
        if all(sample.given_TNC is None for sample in samples):
            return None
        rows = [still_given(s, self.data) if s.given_TNC is None else s.given_TNC for s in samples]
        return self.normalization.given(torch.stack([_padded(row, width, 1) for row in rows]))

    def _latents(self, samples: Sequence[Sample]) -> Tensor:
        assert self.latents is not None
        steps = 1 if self.data.steady else self.windows.horizon + 1
        numbers: list[int] = []
        for sample in samples:
            first = self.latents.states.number_of(*self.windows.locate(sample.number))
            numbers += range(first, first + steps)
        latent = self.latents.rows(numbers)
        return latent.view(len(samples), steps, *latent.shape[1:])

    def _points(self, samples: Sequence[Sample], width: int) -> Points:
        lengths = tuple(len(sample.coords_NX) for sample in samples)
        shared = len({sample.point_set for sample in samples}) == 1
        coords = [self._scaled(sample) for sample in (samples[:1] if shared else samples)]
        stacked = torch.stack([_padded(coord, width, 0) for coord in coords])
        points = Points(
            stacked.expand(len(samples), -1, -1),
            self.data.grid_shape,
            None if min(lengths) == width else lengths,
            sample_id_B=torch.tensor([sample.number for sample in samples]),
            extent=self.data.extent,
            periodic=self.data.periodic,
        )
        return (
            points
            if self.data.grid_shape is not None or not self.with_order
            else self._with_order(points, samples, shared)
        )

    def _with_order(self, points: Points, samples: Sequence[Sample], shared: bool) -> Points:
        orders = [self._order(sample) for sample in (samples[:1] if shared else samples)]
        width = points.num_points
        rows = [torch.cat([order, torch.arange(len(order), width)]) for order in orders]
        order_BN = torch.stack(rows).expand(len(samples), -1)
        return Points(
            points.coords_BNX, None, points.lengths, order_BN, points.sample_id_B, points.extent, points.periodic
        )

    def _scaled(self, sample: Sample) -> Tensor:
        if sample.point_set not in self._coords:
            self._coords[sample.point_set] = scaled_coords(sample.coords_NX, self.data)
        return self._coords[sample.point_set]

    def _order(self, sample: Sample) -> Tensor:
        if sample.point_set not in self._orders:
            self._orders[sample.point_set] = hilbert_order(self._scaled(sample)[None], None)[0]
        return self._orders[sample.point_set]


def scaled_coords(coords_NX: Tensor, data: DataSpec) -> Tensor:
    """Physical coordinates scaled to the unit box by the domain's origin and extent, as float32."""
    assert data.origin is not None, "the origin is measured when the data set is prepared"
    low, extent = torch.tensor(data.origin, dtype=torch.float64), torch.tensor(data.extent, dtype=torch.float64)
    return ((coords_NX.double() - low) / extent).float()


def _padded(value: Tensor, width: int, axis: int) -> Tensor:
    missing = width - value.shape[axis]
    if missing == 0:
        return value
    shape = list(value.shape)
    shape[axis] = missing
    return torch.cat([value, value.new_zeros(shape)], dim=axis)
