"""Mean and deviation of channels in one pass, and whether a channel varies by more than its own rounding."""

from __future__ import annotations

import torch
from torch import Tensor

FLOAT32 = torch.finfo(torch.float32).eps
PART = 4096
FEW = 16
"""A channel of few distinct values within one rounding of float32 holds nothing but that rounding."""


class RunningMoments:
    """Mean and deviation of channels over any number of values, in float64 (Chan, Golub, LeVeque 1979).

    A channel is constant where it deviates by no more than its own rounding: the precision of its values times the
    largest of them. Values kept in float64 may have been rounded to float32 before: then there are few distinct ones.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.square = torch.zeros(0, dtype=torch.float64)
        self.largest = torch.zeros(0, dtype=torch.float64)
        self.precision = 0.0
        self._distinct: list[Tensor | None] = []

    def add(self, value_MC: Tensor) -> None:
        """Adds M values of C channels."""
        value = value_MC.double()
        count, mean = len(value), value.mean(0)
        square, largest = (value - mean).square().sum(0), value.abs().amax(0)
        self.precision = max(self.precision, torch.finfo(value_MC.dtype).eps)
        self._distinct = self._distinct or [value.new_zeros(0)] * value.shape[1]
        self._distinct = [_distinct(known, own) for known, own in zip(self._distinct, value.T, strict=True)]
        if self.count == 0:
            self.count, self.mean, self.square, self.largest = count, mean, square, largest
            return
        delta, total = mean - self.mean, self.count + count
        self.square = self.square + square + delta.square() * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.largest = torch.maximum(self.largest, largest)
        self.count = total

    def deviation(self) -> Tensor:
        """Standard deviation of each channel, as it is."""
        return (self.square / max(1, self.count)).sqrt()

    def std(self) -> Tensor:
        """Standard deviation; 1 where a channel is constant."""
        return torch.where(self.constant(), 1.0, self.deviation())

    def constant(self) -> Tensor:
        """Whether each channel deviates by no more than its own rounding."""
        deviation, few = self.deviation(), torch.tensor([d is not None for d in self._distinct], dtype=torch.bool)
        rounding = torch.where(few, max(self.precision, FLOAT32), self.precision)
        return deviation <= rounding * self.largest

    def roundings(self) -> Tensor:
        """How many roundings of the values' own precision one deviation is; infinite for a channel of zeros."""
        return self.deviation() / (self.precision * self.largest)


def _distinct(known: Tensor | None, value_M: Tensor) -> Tensor | None:
    """The distinct values so far, sorted; None where they are more than ``FEW``."""
    for start in range(0, len(value_M), PART):  # most channels show many in the first part
        if known is None:
            return None
        found: Tensor = torch.unique(torch.cat([known, value_M[start : start + PART]]))
        known = found if len(found) <= FEW else None
    return known
