"""Relative L2 error."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import Batch
from upt_metrics.per_sample import MeanOfFigures, real_points

EPSILON = 1e-8  # as in neuraloperator's LpLoss, so that figures compare; only a target of zeros feels it


class RelativeL2(MeanOfFigures):
    """‖prediction − target‖₂ / ‖target‖₂ of each sample over all its points, channels and time steps; then the mean.

    0 is perfect, 1 is as good as predicting zero. With one channel and one time step it equals the relative LpLoss of
    neuraloperator, so published figures compare.

    Trap: fields of very different size share one norm; the largest dominates.

    Source: Kovachki et al., Neural Operator, arXiv 2108.08481.
    """

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """One ratio for each sample."""
        error_B: Tensor = torch.linalg.vector_norm(real_points(prediction_BTNC - target_BTNC, batch), dim=(1, 2, 3))
        size_B: Tensor = torch.linalg.vector_norm(real_points(target_BTNC, batch), dim=(1, 2, 3))
        return error_B / (size_B + EPSILON)
