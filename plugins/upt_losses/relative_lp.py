"""Error relative to the size of the true field, sample by sample."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LossTerm, Queries, Step

AT_REST = 0.01
"""A sample smaller than this part of the training split's fields counts as at rest."""


class RelativeLp(LossTerm):
    """‖prediction − target‖_p / ‖target‖_p of each sample over its points and channels, averaged over the batch.

    Each sample has equal weight for any size of its fields. This suits data with a widely varying amplitude, and trains
    the metric ``relative_l2`` directly (p = 2, physical units).

    A sample at rest (below 1 % of the fields' root mean square over the training split) has no size to divide by. Its
    error is divided by that root mean square instead, so that such a sample does not dominate the loss.

    At sampled query points both norms are estimated from the same points. Each sum is estimated without bias; a
    ratio of roots of two estimates is not unbiased, but consistent: its bias falls as 1/Q.

    Args:
        p: exponent of the norm; at least 1. 2 is usual; 1 is less sensitive to outliers.
        units: "physical" compares in the units of the data, as metrics do; "normalised" compares scaled fields, for
            which a field near its mean is small and the ratio large.

    Source: Kovachki et al., Neural Operator, arXiv 2108.08481.
    """

    def __init__(
        self, p: Annotated[float, Field(ge=1)] = 2.0, units: Literal["physical", "normalised"] = "physical"
    ) -> None:
        self.p = p
        self.units = units

    def __call__(self, step: Step) -> Tensor:
        """The mean of the samples' ratios."""
        queries = step.queries()
        target_BQC = step.target(1, queries)
        error_BQC = step.predicted(1, queries) - target_BQC
        if self.units == "physical":  # in the unit of the largest field, so that no unit leaves the range of float32
            unit_C = step.unit_C / step.unit_C.amax()
            error_BQC, target_BQC = error_BQC * unit_C, (target_BQC + step.offset_C) * unit_C
            usual_C = (1 + step.offset_C.square()).sqrt() * unit_C
        else:
            usual_C = torch.ones_like(step.unit_C)
        size_B = self._norm(target_BQC, queries)
        usual = torch.linalg.vector_norm(usual_C, ord=self.p)
        size_B = torch.where(size_B < AT_REST * usual, usual, size_B)
        self._inform(step, error_BQC.detach(), size_B)
        return (self._norm(error_BQC, queries) / size_B).mean()

    def _norm(self, value_BQC: Tensor, queries: Queries) -> Tensor:
        """‖value‖_p of each sample as a mean over points and a sum over channels: (B,)."""
        weight_BQ = queries.weight_BQ
        if weight_BQ is not None:
            value_BQC = value_BQC * weight_BQ.pow(1 / self.p).unsqueeze(-1)
        norm_B: Tensor = torch.linalg.vector_norm(value_BQC, ord=self.p, dim=(1, 2))
        root: float = value_BQC.shape[1] ** (1 / self.p)
        return norm_B / root

    def _inform(self, step: Step, error_BQC: Tensor, size_B: Tensor) -> None:
        """Tells an adaptive sampler how much each point adds; the mean itself is not the term's value."""
        step.mean((error_BQC.abs() / size_B[:, None, None]).pow(self.p).sum(dim=-1))
