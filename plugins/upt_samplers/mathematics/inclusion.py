"""From scores to inclusion probabilities: proportional to the score, defended by a uniform floor, capped at 1."""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDS = 3
_TINY = torch.finfo(torch.float64).tiny


def inclusion_probabilities(score_RK: Tensor, size_RK: Tensor, total_R1: Tensor, floor: float) -> Tensor:
    """The inclusion probability of each point of each block, float64 (R, K), all points of a row adding up to a total.

    p = (1 - floor) · score / Σ score + floor / N, sums over points; π = min(1, c p) with Σ π = total. The factor c is
    the fixed point of c ← (total - number capped) / (p of the rest), which only grows and is reached after as many
    rounds as caps bring forth new caps. A fixed number of rounds is made (the host must not wait for the device), and
    what then lacks is given to all points in proportion to 1 - π: the sum is exact and no π exceeds 1.
    Since c ≥ total, π ≥ min(1, floor · total / N): weights total / (N π) never exceed 1 / floor.

    Args:
        score_RK: finite scores ≥ 0 of a point of each block; rows of zeros become uniform.
        size_RK: points of each block.
        total_R1: how many points to draw from each row, at most its number of points.
        floor: share of the draws that is spread uniformly, in (0, 1].
    """
    size, score = size_RK.double(), score_RK.double()
    num_points = size.sum(-1, keepdim=True)
    sum_of_scores = (score * size).sum(-1, keepdim=True)
    scale = (1 - floor) / sum_of_scores.clamp_min(_TINY)
    share = torch.addcmul((scale * sum_of_scores).neg_().add_(1).div_(num_points), score, scale)
    mass = share * size
    factor = total_R1.double()
    for _ in range(_ROUNDS):
        capped = (factor * share).floor_().clamp_max_(1)
        free = torch.addcmul(mass, capped, mass, value=-1).sum(-1, keepdim=True)
        left = total_R1 - capped.mul_(size).sum(-1, keepdim=True)
        factor = torch.maximum(factor, left.div_(free.clamp_min_(_TINY)))
    probability = (factor * share).clamp_max_(1)
    drawn = (probability * size).sum(-1, keepdim=True)
    lacking = (total_R1 - drawn).div_((num_points - drawn).clamp_min_(_TINY)).clamp_(0, 1)
    return torch.addcmul(probability, probability.neg().add_(1), lacking).clamp_max_(1)
