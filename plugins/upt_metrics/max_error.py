"""The largest error anywhere."""

from __future__ import annotations

from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import MeanOfFigures, real_points


class MaxError(MeanOfFigures):
    """The largest absolute error over all samples, points, channels and time steps, in the units of the data.

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """The largest error of each sample: (B,)."""
        return real_points((prediction_BTNC - target_BTNC).abs(), batch).amax(dim=(1, 2, 3))

    def reduce(self, figures: Tensor) -> float:
        """The largest of all."""
        return figures.max().item()
