"""Batches of several tasks in turn: which task a batch belongs to is a pure function of seed and number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch.utils.data import Dataset

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.read_ahead import read_ahead
from upt_core.seeding import generator


class TaskBatches(Dataset[Batch]):
    """Batches of several tasks. An epoch has as many batches as one pass over all data sets.

    Args:
        parts: each task's own batches.
        weights: each task's share of the batches, relative to the others. Equal weights balance tasks of unequal
            size: a small data set is seen more often. Weights as the numbers of samples pass over each data set once.
        seed: of the order of tasks.
    """

    def __init__(self, parts: Mapping[str, Batches], weights: Mapping[str, float], seed: int) -> None:
        self.parts = dict(parts)
        self.seed = seed
        total = sum(part.per_epoch for part in parts.values())
        self.counts = apportion(total, {name: weights[name] for name in parts})
        self._order: tuple[int, list[tuple[str, int]]] = (-1, [])

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return sum(self.counts.values())

    @property
    def num_samples(self) -> int:
        """Samples of an epoch, about: last batches may be smaller."""
        return sum(round(len(part.windows) * self.counts[name] / part.per_epoch) for name, part in self.parts.items())

    def rows(self, number: int) -> int:
        """Samples of a batch, those of all processes together."""
        task, own = self._place(number)
        return self.parts[task].rows(own)

    def __getitem__(self, number: int) -> Batch:
        task, own = self._place(number)
        return replace(self.parts[task][own], task=task)

    def iterate(self, start: int, stop: int, workers: int = 0, pin_memory: bool = False) -> Iterator[Batch]:
        """Batches start ≤ k < stop, read ahead by ``workers`` processes."""
        if workers:
            for part in self.parts.values():
                part.point_sets.share()
        return read_ahead(self, start, stop, workers, pin_memory)

    def _place(self, number: int) -> tuple[str, int]:
        """The task of a batch, and the batch's number in it."""
        epoch, position = divmod(number, self.per_epoch)
        task, turn = self._order_of(epoch)[position]
        return task, epoch * self.counts[task] + turn

    def _order_of(self, epoch: int) -> list[tuple[str, int]]:
        """For each batch of an epoch its task, and which batch of the task it is."""
        if self._order[0] != epoch:
            names = [name for name, count in self.counts.items() for _ in range(count)]
            rng = generator("cpu", self.seed, "tasks", epoch)
            turns = dict.fromkeys(self.counts, 0)
            order = []
            for index in torch.randperm(len(names), generator=rng).tolist():
                order.append((names[index], turns[names[index]]))
                turns[names[index]] += 1
            self._order = (epoch, order)
        return self._order[1]


def apportion(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """``total`` divided in proportion to weights, at least 1 each, by largest remainders."""
    scale = total / sum(weights.values())
    counts = {name: max(1, int(weight * scale)) for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: weights[name] * scale - int(weights[name] * scale), reverse=True)
    for name in by_remainder[: max(0, total - sum(counts.values()))]:
        counts[name] += 1
    return counts
