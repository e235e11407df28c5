"""Root mean square error relative to the target."""

from __future__ import annotations

from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import MeanOfFigures, mean_over_points

SMALLEST = 1e-20  # of a mean square: only a target of zeros feels it


class Nrmse(MeanOfFigures):
    """RMSE over the points divided by the target's root mean square, of each sample, channel and time step; the mean.

    As PDEBench's nRMSE: the ratio first, the mean after.

    Trap: it grows without bound where the target decays to zero (late frames of Burgers' equation).

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """(B, T, C)."""
        error_BTC = mean_over_points((prediction_BTNC - target_BTNC).square(), batch)
        size_BTC = mean_over_points(target_BTNC.square(), batch)
        return error_BTC.sqrt() / size_BTC.clamp_min(SMALLEST).sqrt()
