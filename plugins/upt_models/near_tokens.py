"""The two tokens of a lattice that are nearest to a query point along an axis, and weights that join them smoothly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core import Queries


@dataclass(frozen=True, eq=False)
class NearTokens:
    """Along one axis, for each query point, the tokens on both sides (S = 2).

    Args:
        index_BQS: numbers of the tokens along the axis.
        offset_BQS: how far the query point is from each, in token spacings.
        weight_BQS: (1 + cos π offset) / 2, which add up to 1 and vanish where a token ceases to be near; beyond the
            outermost tokens of an open axis the outermost has weight 1.
    """

    index_BQS: Tensor
    offset_BQS: Tensor
    weight_BQS: Tensor


def near_tokens(coord_BQ: Tensor, tokens: int, wraps: bool) -> NearTokens:
    """The near tokens of query points, of ``tokens`` along the axis at (j + 1/2) / tokens; in float32 at least."""
    coord_BQ = coord_BQ.float() if coord_BQ.element_size() < 4 else coord_BQ
    place_BQ = (coord_BQ - coord_BQ.floor() if wraps else coord_BQ) * tokens - 0.5
    inside_BQ = place_BQ if wraps else place_BQ.clamp(0, tokens - 1)
    low_BQ = inside_BQ.detach().floor()
    low_BQ = low_BQ if wraps else low_BQ.clamp(max=max(tokens - 2, 0))
    high_weight_BQ = 0.5 - 0.5 * torch.cos(math.pi * (inside_BQ - low_BQ))
    index_BQS = low_BQ.long().unsqueeze(-1) + torch.arange(2, device=coord_BQ.device)
    return NearTokens(
        index_BQS % tokens if wraps else index_BQS.clamp(max=tokens - 1),
        torch.stack([place_BQ - low_BQ, place_BQ - low_BQ - 1], dim=-1),
        torch.stack([1 - high_weight_BQ, high_weight_BQ], dim=-1),
    )


def row_major(numbers: Sequence[Tensor], lattice: Sequence[int]) -> Tensor:
    """Numbers of tokens on a lattice from their numbers along each axis."""
    index_BQ = numbers[0]
    for number_BQ, tokens in zip(numbers[1:], lattice[1:], strict=True):
        index_BQ = index_BQ * tokens + number_BQ
    return index_BQ


def take_tokens(value_BLD: Tensor, index_BQ: Tensor) -> Tensor:
    """Values of tokens by number: (B, Q, D). Its gradient is several times faster than that of ``torch.gather``."""
    return Queries(index_BQ.expand(value_BLD.shape[0], -1)).take(value_BLD)
