"""Interpolation between evenly spaced values, for whoever asks for a field between its points."""

from __future__ import annotations

import torch
from torch import Tensor


def lagrange_weights(place: Tensor, size: int) -> Tensor:
    """Weights (…, S) of values at 0, 1, …, S − 1 for their value at ``place``, by the polynomial through them.

    Polynomials up to degree S − 1 are exact; at a whole number below S the weights are exactly 1 there and 0 elsewhere.
    """
    weights = []
    for own in range(size):
        weight = torch.ones_like(place)
        for other in range(size):
            if other != own:
                weight = weight * (place - other) / (own - other)
        weights.append(weight)
    return torch.stack(weights, dim=-1)
