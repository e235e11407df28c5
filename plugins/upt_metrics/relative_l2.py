"""Relative L2 error."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import over_space
from upt_metrics.relative import MeanOfRatios


class RelativeL2(MeanOfRatios):
    """‖prediction − target‖₂ / ‖target‖₂ of each sample over all its points, channels and time steps; then the mean.

    0 is perfect, 1 is as good as predicting zero. With one channel and one time step it equals the relative LpLoss of
    neuraloperator, so it can be compared with published figures. A sample at rest (below 1 % of the split's root mean
    square) is compared with that root mean square.

    Trap: if fields of very different size share one norm, the largest dominates.

    Source: Kovachki et al., Neural Operator, arXiv 2108.08481.
    """

    def sizes(self, value_BTNC: Tensor, batch: Batch) -> Tensor:
        """One norm for each sample."""
        norm_B: Tensor = torch.linalg.vector_norm(over_space(value_BTNC, batch), dim=(1, 2, 3))
        return norm_B
