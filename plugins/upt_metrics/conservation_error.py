"""Error of the conserved total."""

from __future__ import annotations

from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import MeanOfFigures, mean_over_points


class ConservationError(MeanOfFigures):
    """Difference of the means over space of prediction and target: its root mean square over samples, then the mean.

    One figure for each channel and time step, averaged over these, in the units of the data: PDEBench's cRMSE. It
    compares with the target's total, not with that at t = 0, so it also suits totals that change.

    Trap: the mean is over space only if points are spread evenly or the areas of their cells are known.

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """Squared difference of the means: (B, T, C)."""
        return mean_over_points(prediction_BTNC - target_BTNC, batch).square()

    def reduce(self, figures: Tensor) -> float:
        """Root of the mean over samples, then the mean over time steps and channels."""
        return figures.mean(dim=0).sqrt().mean().item()
