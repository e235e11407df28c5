"""Anchors: evenly spread positions at which the latent tokens start, so that attention is local from the first step.

A pooling that starts with random queries attends everywhere alike and must first learn where each token belongs.
Queries that start as the embedded positions of anchors, with keys that start equal to queries, attend to what is near.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def anchor_positions(tokens: int, num_axes: int) -> Tensor:
    """``tokens`` evenly spread positions in the unit box, (L, X), the same for the same numbers.

    The middles of equal stretches in one dimension; in more, the additive recurrence with the powers of the generalised
    golden ratio (the root of ``r^(X + 1) = r + 1``), a low-discrepancy sequence for any number of tokens and axes.
    """
    number_L = torch.arange(tokens, dtype=torch.float64)
    if num_axes == 1:
        return ((number_L + 0.5) / tokens).unsqueeze(1).float()
    ratio = 1.5
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (num_axes + 1))
    step_X = torch.tensor([ratio ** -(axis + 1) for axis in range(num_axes)], dtype=torch.float64)
    return ((0.5 + (number_L.unsqueeze(1) + 1) * step_X) % 1).float()


@torch.no_grad()
def starting_positions(embed: Callable[[Tensor], Tensor], tokens: int, num_axes: int) -> Tensor:
    """Embedded anchors (L, D), of the size of normalised latent tokens, at which a decoder's tokens start.

    Args:
        embed: coordinates (L, X) → (L, D).
    """
    embedded_LD = embed(anchor_positions(tokens, num_axes))
    return embedded_LD / embedded_LD.std()
