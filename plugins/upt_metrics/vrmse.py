"""Root mean square error relative to the target's variation in space."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import mean_over_points, real_points
from upt_metrics.relative import MeanOfRatios

ROUNDINGS = 16  # of the mean in float64: what deviates less does not vary


class Vrmse(MeanOfRatios):
    """RMSE over the points divided by the target's standard deviation over the points; of each sample, channel, step.

    √(⟨(prediction − target)²⟩ / ⟨(target − ⟨target⟩)²⟩), with means ⟨·⟩ over space; then the mean over samples,
    channels and time steps. 1 is as good as predicting the mean of each field; adding a constant to the data changes
    nothing. The Well's VRMSE, without the small number that it adds to the variance: a target without variation (below
    1 % of its channel's root mean square deviation over the split) is compared with that deviation.

    For The Well's tables of rollouts give the windows of time steps: ``{name: vrmse, steps: [6, 12]}`` and
    ``{name: vrmse, steps: [13, 30]}``.

    Source: Ohana et al., The Well, arXiv 2412.00568.
    """

    def sizes(self, value_BTNC: Tensor, batch: Batch) -> Tensor:
        """Root mean squares (B, T, C)."""
        return mean_over_points(value_BTNC.square(), batch).sqrt()

    def target_sizes(self, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """Standard deviations over space (B, T, C)."""
        mean_BTC = mean_over_points(target_BTNC, batch)
        deviation_BTNC = real_points(target_BTNC - mean_BTC.unsqueeze(2), batch)
        deviation_BTC = mean_over_points(deviation_BTNC.square(), batch).sqrt()
        rounding_BTC = mean_BTC.abs() * torch.finfo(torch.float64).eps * ROUNDINGS
        return deviation_BTC.where(deviation_BTC > rounding_BTC, 0)
