"""Encode the input, decode it at query points, compare with the input: keeps the decoder able to reconstruct."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LossTerm, Step
from upt_losses.distance import NormOrRelative, distance
from upt_losses.relative import relative_error


class InverseEncoding(LossTerm):
    """Reconstruction of the input fields from their latent, at query points.

    The value is the distance between the decoded input latent and the true input, normalised, averaged over points,
    over the channels of each field, and then over fields, so that a vector has the same weight as a scalar. It trains
    encoder and decoder; memory is O(B·Q·width). Good weights: 0.001 to 0.05; with ``norm: relative`` and the linear
    decoder ``basis``, 1.

    Args:
        norm: "mse" (usual), "l1", "huber" for data with rare large errors, or "relative": the mean over samples of
            ‖reconstruction − input‖ / ‖input‖ over all channels together. The bias of a sampled estimate falls as 1/Q.
        delta: where "huber" turns from square to linear, in normalised units. Good values: 0.1 to 1.

    Source: Alkin et al., Universal Physics Transformers, arXiv 2402.12365.
    """

    def __init__(self, norm: NormOrRelative = "mse", delta: Annotated[float, Field(gt=0)] = 1.0) -> None:
        self.norm: NormOrRelative = norm
        self.delta = delta

    def __call__(self, step: Step) -> Tensor:
        """The mean distance."""
        step = step.at_inputs()
        if self.norm == "relative":
            return relative_error(step, step.reconstructed(), step.input())
        value_BQC = distance(step.reconstructed(), step.input(), self.norm, self.delta)
        fields = step.data.inputs
        if len({field.channels for field in fields}) == 1:  # the mean of equal means is one mean
            return step.mean(value_BQC.mean(dim=-1))
        per_field = [value_BQC[..., step.data.channels_of(field.name, fields)].mean(dim=-1) for field in fields]
        return step.mean(torch.stack(per_field).mean(dim=0))
