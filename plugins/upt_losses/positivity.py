"""A penalty on negative values of fields that cannot be negative."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Step
from upt_losses.targets import target_slices


class Positivity(LossTerm):
    """Mean square of the negative part of predicted fields: densities, concentrations, pressures, probabilities.

    Zero is that of physical units. The negative part is measured in standard deviations of the field over the training
    split, so that the value has no unit. It is 0 if nothing is negative. The prediction is that of one time step.

    Args:
        fields: names of the fields that must not be negative; default: all that are predicted.
    """

    def __init__(self, fields: Annotated[list[str], Field(min_length=1)] | None = None) -> None:
        self.fields = fields

    def check_data(self, data: DataSpec) -> None:
        """Refuses names of fields that are not predicted."""
        target_slices(data, self.fields)

    def __call__(self, step: Step) -> Tensor:
        """The mean over points and the named channels."""
        below_BQC = (-(step.predicted(1) + step.offset_C)).relu()
        parts = [below_BQC[..., channels] for channels in target_slices(step.data, self.fields)]
        return step.mean(torch.cat(parts, dim=-1).square().mean(dim=-1))
