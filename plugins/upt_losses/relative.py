"""Errors relative to the size of the truth, sample by sample, shared by the terms whose ``norm`` is "relative"."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import Step
from upt_losses.distance import wide

FLOOR = 0.01
"""Smallest size that an error is compared with, in normalised units (deviations over the training split): a sample
that lies nearer to the mean counts by its error alone, and one sample at rest does not decide the loss."""


def relative_error(step: Step, value_BQC: Tensor, target_BQC: Tensor) -> Tensor:
    """Mean over samples of ``‖value − target‖ / ‖target‖`` over query points and channels, normalised fields.

    Both norms are estimated from the same query points. The sums are unbiased; the ratio of their roots is not, but
    its bias falls as 1/Q. Adaptive samplers learn the squared ratio of each point.
    """
    queries = step.queries()
    value_BQC, target_BQC = wide(value_BQC), wide(target_BQC)
    error_BQC = value_BQC - target_BQC
    size_B = _root_mean_square(target_BQC, queries.weight_BQ).clamp_min(FLOOR)
    step.mean((error_BQC.detach() / size_B[:, None, None]).square().mean(dim=-1), queries)
    return (_root_mean_square(error_BQC, queries.weight_BQ) / size_B).mean()


def relative_latent_error(latent_BLD: Tensor, target_BLD: Tensor) -> Tensor:
    """Mean over samples of ``‖latent − target‖ / ‖target‖`` over tokens and width."""
    latent_BLD, target_BLD = wide(latent_BLD), wide(target_BLD)
    size_B = _root_mean_square(target_BLD, None).clamp_min(FLOOR)
    return (_root_mean_square(latent_BLD - target_BLD, None) / size_B).mean()


def _root_mean_square(value_BQC: Tensor, weight_BQ: Tensor | None) -> Tensor:
    """Of each sample, (B,); its gradient is 0, not undefined, where the value is 0."""
    if weight_BQ is not None:
        value_BQC = value_BQC * weight_BQ.sqrt().unsqueeze(-1)
    norm_B = torch.linalg.vector_norm(value_BQC, dim=(1, 2))
    root: float = value_BQC[0].numel() ** 0.5
    size_B: Tensor = norm_B / root
    return size_B
