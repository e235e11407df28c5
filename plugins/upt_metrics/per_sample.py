"""What the metrics share: keeping figures of each sample until the end, sums over points that skip padding.

Everything is computed in float64, so that data of any unit, 1e-12 or 1e12, gives the same relative figures.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Self, final

import torch
from torch import Tensor

from upt_core import Batch, Metric


class MeanOfFigures(Metric):
    """The mean of figures that are known batch by batch. They stay on the device until the end: no waiting."""

    def __init__(self) -> None:
        self._seen: list[Tensor] = []

    @final
    def reset(self) -> None:
        """Forgets what was seen."""
        self._seen = []

    @final
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        """Adds a batch.

        Raises:
            ValueError: prediction and target differ in shape, or the metric cannot work with these points.
        """
        check_shapes(prediction_BTNC, target_BTNC)
        self._seen.append(self.figures(wide(prediction_BTNC), wide(target_BTNC), batch).detach())

    @final
    def merge(self, other: Self) -> None:
        """Adds the figures of another."""
        self._seen = [*self._seen, *other._seen]

    @final
    def compute(self) -> float:
        """The mean of all figures since ``reset``."""
        return self.reduce(seen(self._seen, self))

    def by_sample(self) -> Tensor | None:
        """The mean figure of each sample; None where ``reduce`` is another one."""
        mean = type(self).reduce is MeanOfFigures.reduce
        return seen(self._seen, self).reshape(sum(map(len, self._seen)), -1).mean(dim=1) if mean else None

    def reduce(self, figures: Tensor) -> float:
        """One number from all figures, along the first axis. Here: the mean."""
        return figures.mean().item()

    @abstractmethod
    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """Figures of each sample, the batch as the first axis."""


def wide(value: Tensor) -> Tensor:
    """In float64, on the CPU where the device has none (MPS)."""
    return value.cpu().double() if value.device.type == "mps" else value.double()


def seen(parts: list[Tensor], metric: Metric) -> Tensor:
    """All figures of all batches along the first axis, in float64 on the CPU.

    Raises:
        ValueError: there is none.
    """
    if not parts:
        raise ValueError(f"{type(metric).__name__} has seen no batch; call update before compute")
    return torch.cat(parts).cpu().double()


def check_shapes(prediction_BTNC: Tensor, target_BTNC: Tensor) -> None:
    """Refuses a prediction of another shape than its target, which would broadcast to a wrong figure."""
    if prediction_BTNC.shape != target_BTNC.shape or prediction_BTNC.dim() != 4:
        raise ValueError(
            f"prediction has shape {tuple(prediction_BTNC.shape)} and target {tuple(target_BTNC.shape)}; "
            f"expected equal shapes (B, T, N, C)"
        )


def real_points(value_BTNC: Tensor, batch: Batch) -> Tensor:
    """The values with padded points set to 0, so that they count in no sum."""
    mask_BN = batch.points.mask_BN
    return value_BTNC if mask_BN is None else value_BTNC.where(mask_BN[:, None, :, None].to(value_BTNC.device), 0)


def over_space(value_BTNC: Tensor, batch: Batch) -> Tensor:
    """The values of real points, times the root of their measure over its mean: norms of them are norms over space."""
    measure_BN = batch.points.relative_measure_BN
    value_BTNC = real_points(value_BTNC, batch)
    return value_BTNC if measure_BN is None else value_BTNC * _as_values(measure_BN.sqrt(), value_BTNC)


def mean_over_points(value_BTNC: Tensor, batch: Batch) -> Tensor:
    """Mean over the real points of each sample, or over space where points have a measure: (B, T, C)."""
    length_B1, measure_BN = batch.points.length_B1, batch.points.relative_measure_BN
    if measure_BN is not None:
        value_BTNC = value_BTNC * _as_values(measure_BN, value_BTNC)
    if length_B1 is None:
        return value_BTNC.mean(dim=2)
    return real_points(value_BTNC, batch).sum(dim=2) / length_B1.unsqueeze(-1).to(value_BTNC.device)


def _as_values(value_BN: Tensor, like: Tensor) -> Tensor:
    return value_BN[:, None, :, None].to(like)
