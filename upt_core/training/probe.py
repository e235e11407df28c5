"""Looks at all points of all training samples on behalf of an adaptive sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.feedback import Feedback
from upt_core.loss_bundle import LossBundle
from upt_core.points import Points
from upt_core.processes import ALONE, Processes
from upt_core.progress import Progress
from upt_core.seeding import generator

RELATIVE_STEP = 1e-3
"""Step of the finite differences along a random direction, relative to the norm of the parameters."""


class TrainingProbe:
    """Dense pointwise losses and gradients of the terms that use one sampler; one pass over the data a method.

    Everything is computed in float32 whatever the precision of training: a difference of two losses that are close
    to each other would show bfloat16's rounding, not the gradient.

    Args:
        bundle: the terms; the model is used as it is now, in evaluation mode.
        stream: the sampler's stream; terms of this stream are summed with their weights.
        batches: the training split.
        progress: weights are those of now; a term of weight 0 counts with 1 if no term has a weight.
        device: of the bundle.
        processes: that share the computing: process r of R looks at batches r, r + R, … and tells the others what it
            found. All ask for the same in the same order, and are given the same.
    """

    def __init__(
        self,
        bundle: LossBundle,
        stream: str,
        batches: Batches,
        progress: Progress,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        self.bundle = bundle
        self.batches = batches
        self.progress = progress
        self.device = device
        self.processes = processes
        self.num_samples = len(batches.windows)
        terms = [weighted for weighted in bundle.terms if weighted.stream == stream]
        weights = [weighted.weight(progress) for weighted in terms]
        self._terms = list(zip(terms, weights if any(weights) else [1.0] * len(terms), strict=True))

    def errors(self) -> Iterator[tuple[Points, Tensor]]:
        """(points, value_BN): the pointwise loss of the terms, weighted and summed."""
        yield from self._shared(lambda number, batch: self._pointwise(batch))

    def loss_gradients(self, num_directions: int) -> Iterator[tuple[Points, Tensor]]:
        """(points, value_BN): squared norm of each point's gradient over all trainable parameters.

        The mean square of directional derivatives along standard normal directions is an unbiased estimate of the
        squared norm (Hutchinson 1989); each is a central difference of two forward passes, so any model will do.
        """
        parameters: list[Tensor] = [p for p in self.bundle.model.parameters() if p.requires_grad]
        size = sum(float(p.detach().square().sum()) for p in parameters) ** 0.5
        count = sum(p.numel() for p in parameters)
        step = RELATIVE_STEP * max(size, 1.0) / count**0.5  # a standard normal direction is √count long

        def square(number: int, batch: Batch) -> Tensor:
            total: Tensor | None = None
            for direction in range(num_directions):
                rng = generator(self.device, self.bundle.seed, "probe", self.progress.epoch, number, direction)
                directions = [torch.randn(p.shape, generator=rng, device=p.device, dtype=p.dtype) for p in parameters]
                slope = self._slope(batch, parameters, directions, step).square() / num_directions
                total = slope if total is None else total + slope
            assert total is not None
            return total

        yield from self._shared(square)

    def targets(self) -> Iterator[tuple[Points, Tensor]]:
        """(points, target_BNC) at the first predicted time step, normalised."""
        for number in range(self.batches.per_epoch):
            batch = self._batch(number)
            yield batch.points, batch.target_BTNC[:, 0]

    def _batch(self, number: int) -> Batch:
        return self.batches[number].to(self.device)

    def _shared(self, value_of: Callable[[int, Batch], Tensor]) -> Iterator[tuple[Points, Tensor]]:
        """Points and values (B, N) of each batch, in order; each process computes those of its own batches."""
        rank, size, count = self.processes.rank, self.processes.size, self.batches.per_epoch
        for first in range(0, count, size):
            own: tuple[Points, Tensor] | None = None
            with self.processes.agreed():
                if first + rank < count:
                    batch = self._batch(first + rank)
                    own = batch.points, value_of(first + rank, batch)
            for number in range(first, min(first + size, count)):
                points = own[0] if own and number == first + rank else self._batch(number).points
                value_BN = (
                    own[1]
                    if own and number == first + rank
                    else torch.zeros(points.batch_size, points.num_points, device=self.device)
                )
                yield points, self.processes.told_by(number - first, value_BN.contiguous())

    def _slope(self, batch: Batch, parameters: list[Tensor], directions: list[Tensor], step: float) -> Tensor:
        with _restored(parameters) as own:
            ahead = self._moved(batch, parameters, own, directions, step)
            behind = self._moved(batch, parameters, own, directions, -step)
        return (ahead - behind) / (2 * step)

    def _moved(
        self, batch: Batch, parameters: list[Tensor], own: list[Tensor], directions: list[Tensor], step: float
    ) -> Tensor:
        """The pointwise loss a step away from the parameters."""
        with torch.no_grad():
            torch._foreach_copy_(parameters, torch._foreach_add(own, directions, alpha=step))
        return self._pointwise(batch)

    @torch.no_grad()
    def _pointwise(self, batch: Batch) -> Tensor:
        step, feedback = self.bundle.step(batch, self.progress), Feedback(batch.points)
        with torch.autocast(self.device.type, enabled=False):
            for weighted, weight in self._terms:
                self.bundle.evaluate(replace(weighted, sampler=None, stream="all"), step, feedback, weight)
        total_BN = torch.zeros(batch.points.batch_size, batch.points.num_points, device=self.device)
        for _, value_BQ in feedback.totals():
            if value_BQ.shape == total_BN.shape:  # a term may look at few points of its own, a boundary say
                total_BN = total_BN + value_BQ
        return total_BN


@contextmanager
def _restored(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """Copies of the parameters, which they are set to again at the end, bit by bit, whatever happens inside."""
    own = [parameter.detach().clone() for parameter in parameters]
    try:
        yield own
    finally:
        with torch.no_grad():
            torch._foreach_copy_(parameters, own)
