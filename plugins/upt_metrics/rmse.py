"""Root mean square error."""

from __future__ import annotations

from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import MeanOfFigures, mean_over_points


class Rmse(MeanOfFigures):
    """Root of the mean squared error over the points of each sample, channel and time step; then the mean of these.

    It is in the units of the data, as PDEBench's RMSE. For fields of different size use ``nrmse``.

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """(B, T, C)."""
        return mean_over_points((prediction_BTNC - target_BTNC).square(), batch).sqrt()
