"""Several time steps ahead: the latent is moved on step by step, and every state is compared with the truth."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Step
from upt_losses.distance import Norm, distance


class Rollout(LossTerm):
    """Error of a rollout in latent space, decoded at the same query points at every time step.

    The input is encoded once; the approximator moves the latent on ``steps`` times; each latent is decoded and compared
    with the true fields, normalised. The value is the mean over time steps t = 1 … ``steps`` with weights
    ``discount``^(t − 1), which add up to 1: so values for other ``steps`` compare. With ``steps: 1`` it is ``forward``.

    Gradients flow through all time steps, so memory of the approximator and the decoder grows with ``steps``.

    Args:
        steps: number of time steps; the data's trajectories must be longer than this. Good values: 2 to 8.
        discount: weight of a time step relative to the one before. Good values: 0.8 to 1; below 1 calms early training.
        norm: "mse" (usual), "l1", or "huber" for data with rare large errors.
        delta: where "huber" turns from square to linear, in normalised units. Good values: 0.1 to 1.
    """

    def __init__(
        self,
        steps: Annotated[int, Field(ge=1)] = 4,
        discount: Annotated[float, Field(gt=0, le=1)] = 1.0,
        norm: Norm = "mse",
        delta: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        self.horizon = steps
        self.discount = discount
        self.norm: Norm = norm
        self.delta = delta

    def check_data(self, data: DataSpec) -> None:
        """Refuses several time steps of data that has no time."""
        if data.steady and self.horizon > 1:
            raise ValueError(
                f"rollout asks for {self.horizon} time steps, but this data set is steady: it has one solution and no "
                f"time; use forward"
            )

    def __call__(self, step: Step) -> Tensor:
        """The weighted mean over time steps."""
        weights = [self.discount**time for time in range(self.horizon)]
        parts_BQ = [
            distance(step.predicted(time), step.target(time), self.norm, self.delta).mean(dim=-1) * weight
            for time, weight in enumerate(weights, start=1)
        ]
        return step.mean(torch.stack(parts_BQ).sum(dim=0) / sum(weights))
