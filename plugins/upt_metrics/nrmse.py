"""Root mean square error relative to the target."""

from __future__ import annotations

from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import mean_over_points
from upt_metrics.relative import MeanOfRatios


class Nrmse(MeanOfRatios):
    """RMSE over the points divided by the target's root mean square, of each sample, channel and time step; the mean.

    It is PDEBench's nRMSE: first the ratio, then the mean. A target at rest (below 1 % of its channel's root mean
    square over the split) is compared with that root mean square; a channel that is zero throughout is left out.

    Trap: it becomes large if the target decays towards zero (late frames of Burgers' equation).

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def sizes(self, value_BTNC: Tensor, batch: Batch) -> Tensor:
        """Root mean squares (B, T, C)."""
        return mean_over_points(value_BTNC.square(), batch).sqrt()
