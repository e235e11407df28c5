"""What the domain holds in total must stay as it was at t = 0."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Step
from upt_losses.targets import target_slices


class Conservation(LossTerm):
    """Squared difference of the predicted fields' mean over space from their mean at t = 0, sample by sample.

    For fields whose total does not change: mass, momentum, a tracer, without sources and without flux through the
    boundary. The reference is the first state of the sample's trajectory. Means are taken of normalised fields: the
    scaling is linear, so equal means are equal totals in physical units, and fields of any size have equal weight. All
    points are decoded, and no sampler is used: the square of an estimated mean is too large by the variance of the
    estimate, so a sampled term would favour flat fields instead of conserved ones.

    Trap: the mean is over space only if points are spread evenly or the areas of their cells are known.

    Args:
        fields: names of the conserved fields; default: all predicted fields.
    """

    pointwise = False
    needs_reference = True

    def __init__(self, fields: Annotated[list[str], Field(min_length=1)] | None = None) -> None:
        self.fields = fields

    def check_data(self, data: DataSpec) -> None:
        """Refuses data without time, and names of fields that are not predicted."""
        if data.steady:
            raise ValueError(
                "conservation compares with the state at t = 0, but this data set is steady; remove the term"
            )
        target_slices(data, self.fields)

    def __call__(self, step: Step) -> Tensor:
        """The mean squared difference over samples and channels."""
        queries = step.all_queries()
        change_BNC = step.predicted(1, queries) - step.reference(queries)
        weight_BN = queries.weight_BQ
        if weight_BN is not None:
            change_BNC = change_BNC * weight_BN.unsqueeze(-1)
        change_BC = change_BNC.mean(dim=1)
        parts = [change_BC[:, channels] for channels in target_slices(step.data, self.fields)]
        return torch.cat(parts, dim=-1).square().mean()
