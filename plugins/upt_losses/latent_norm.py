"""Keeps latent tokens from growing."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LossTerm, Step
from upt_losses.distance import wide


class LatentNorm(LossTerm):
    """Mean square of the excess of each latent token's root mean square over a limit.

    With ``limit: 0`` it is the mean square of all entries of the latent. Good against latents that grow over long
    rollouts or that a decoder scales without bound.

    Args:
        limit: root mean square up to which a token costs nothing. Good values: 1 to 5; 0 pulls every token to zero.
        of: "current", the encoded input; "predicted", the latent after one time step.
    """

    pointwise = False

    def __init__(
        self, limit: Annotated[float, Field(ge=0)] = 0.0, of: Literal["current", "predicted"] = "current"
    ) -> None:
        self.limit = limit
        self.of = of

    def __call__(self, step: Step) -> Tensor:
        """The mean over tokens and batch."""
        latent_BLD = wide(step.latent(0 if self.of == "current" else 1))
        size_BL: Tensor = torch.linalg.vector_norm(latent_BLD, dim=-1) / latent_BLD.shape[-1] ** 0.5
        return (size_BL - self.limit).relu().square().mean()
