"""The pinball loss: too low costs another price than too high."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LossTerm, Step


class Pinball(LossTerm):
    """Mean over points of quantile · (what the prediction lacks) + (1 - quantile) · (what it has too much).

    Its best constant answer is that quantile of the targets. Above 0.5 it prefers to overestimate, for peaks that must
    not be missed; 0.5 is half the absolute error.

    Args:
        quantile: 0.5 to 0.95 where underestimates are worse, below 0.5 where overestimates are.

    Source: Koenker and Bassett, Econometrica 46 (1978).
    """

    def __init__(self, quantile: Annotated[float, Field(gt=0, lt=1)] = 0.8) -> None:
        self.quantile = quantile

    def __call__(self, step: Step) -> Tensor:
        """The mean over points, channels and batch."""
        lacks_BQC = step.target(1) - step.predicted(1)
        price_BQC = torch.maximum(self.quantile * lacks_BQC, (self.quantile - 1) * lacks_BQC)
        return step.mean(price_BQC.mean(dim=-1))
