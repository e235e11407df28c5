"""How long a rollout stays correlated with the truth."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import MeanOfFigures, mean_over_points, over_space


class CorrelationTime(MeanOfFigures):
    """Time steps until the correlation over space of prediction and target falls below a threshold; the mean.

    Pearson's correlation over the points, of each sample and channel, along the rollout; the time at which it crosses
    the threshold is interpolated linearly between time steps, from 1 at step 0 on. A rollout that never falls below it
    counts with all its T steps, so the metric is at most T: set ``validation.rollout`` large enough. More is better. If
    the target does not vary over space, the correlation counts as 1 if the prediction does not vary either, else as 0.

    Args:
        threshold: 0.8 is usual.

    Source: Kochkov et al., Machine learning–accelerated computational fluid dynamics, PNAS 118 (2021); Lippe et al.,
    PDE-Refiner, arXiv 2308.05732.
    """

    lower_is_better: ClassVar[bool] = False

    def __init__(self, threshold: Annotated[float, Field(gt=0, lt=1)] = 0.8) -> None:
        super().__init__()
        self.threshold = threshold

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """Time steps (B, C)."""
        after_BTC = correlation(prediction_BTNC, target_BTNC, batch)
        before_BTC = torch.cat([torch.ones_like(after_BTC[:, :1]), after_BTC[:, :-1]], dim=1)
        kept_BTC = (after_BTC >= self.threshold).cumprod(dim=1)
        whole_BC = kept_BTC.sum(dim=1)
        first_BC = whole_BC.clamp_max(after_BTC.shape[1] - 1).unsqueeze(1)  # the step that falls below, if any
        before_BC, after_BC = (value.gather(1, first_BC).squeeze(1) for value in (before_BTC, after_BTC))
        part_BC = (before_BC - self.threshold) / (before_BC - after_BC)
        return torch.where(kept_BTC[:, -1] == 1, whole_BC, whole_BC + part_BC)


def correlation(prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
    """Pearson's correlation over the real points, or over space where they have a measure (B, T, C)."""
    first, second = (
        over_space(value - mean_over_points(value, batch).unsqueeze(2), batch)
        for value in (prediction_BTNC, target_BTNC)
    )
    sizes = [value / torch.linalg.vector_norm(value, dim=2, keepdim=True) for value in (first, second)]
    flat = [value.isnan().all(dim=2) for value in sizes]  # 0 / 0: the field does not vary over space
    product_BTC = (sizes[0] * sizes[1]).sum(dim=2)
    return torch.where(flat[0] & flat[1], 1.0, torch.where(flat[0] | flat[1], 0.0, product_BTC))
