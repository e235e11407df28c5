"""Ordered pivotal sampling: fixed size, distinct, exact unequal inclusion probabilities, spread along a curve.

Points lie on a line, each with a length equal to its inclusion probability π, Q in all. From each unit interval
(stratum) one point is drawn; a point that lies across the border of two strata (its left part a, its right part b,
a + b = π) must not be drawn twice. The design is Deville's systematic sampling (G. Chauvet, Bernoulli 18 (2012) 1320).
In stratum k let L and R be the points across its left and right border, b the part of L and a the part of R in it, and
a' the part of L in stratum k-1. Then

    L was drawn in k-1:      R with probability p1 = a / (1 - b), else a point between L and R;
    L was not drawn in k-1:  L with h = b / (1 - a'), else R with p0 = (1 - h) p1 in all, else a point between.

Induction: P(R drawn in k) = a' p1 + (1 - a')(1 - h) p1 = p1 (1 - b) = a, and P(L drawn in k) = (1 - a') h = b, so every
point is drawn with probability a + b = π exactly. With one uniform number U for each stratum, 'R is drawn' is: yes if
U < p0; no if U ≥ p1; else as L was in k-1. The last stratum that answered yes or no decides, so the chain over all
strata is one running maximum instead of a loop.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from upt_samplers.blocks import Blocks

_ROUNDING = 1e-9
"""A point that ends (or begins) so close to a border is taken to end there: points of probability 1 fill a stratum."""

_TO_SMALLEST = 1e-3  # the same in relation to the smallest probability, for very many points
_TINY = 1e-12


class PivotalPlan:
    """What all draws share that have the same probabilities; (R, K) sums over blocks and (R, Q) borders of strata.

    Args:
        probability_RK: inclusion probability of each point of each block, float64; points of a row sum to Q.
        blocks: the blocks, in the order of the line.
        count: Q.
    """

    def __init__(self, probability_RK: Tensor, blocks: Blocks, count: int) -> None:
        self.blocks, self.count = blocks, count
        self.probability_RK = probability_RK
        size_RK = blocks.size_RK
        end_RK = (probability_RK * size_RK).cumsum(-1)
        total_R1 = torch.minimum(size_RK.sum(-1, keepdim=True), torch.full_like(end_RK[:, :1], count))
        self.end_RK = end_RK / end_RK[:, -1:] * total_R1
        self.last_R1 = size_RK.sum(-1, keepdim=True) - 1
        rows = probability_RK.shape[0]
        self.border_Q = torch.arange(1, count + 1, device=end_RK.device, dtype=torch.float64)
        self.right_RQ, left_part_RQ, right_part_RQ = self._across(self.border_Q.expand(rows, -1).contiguous())
        self.left_RQ = pad(self.right_RQ[:, :-1], (1, 0), value=-1)
        self._chances(left_part_RQ, pad(right_part_RQ[:, :-1], (1, 0)), pad(left_part_RQ[:, :-1], (1, 0)))

    def draw(self, uniform_BQ: Tensor) -> Tensor:
        """Positions of Q distinct points in each row, int64 (B, Q), from uniform numbers in [0, 1)."""
        yes_BQ = uniform_BQ < self.p0_RQ
        decided_BQ = yes_BQ | (uniform_BQ >= self.p1_RQ)
        stratum_Q = torch.arange(self.count, device=uniform_BQ.device)
        decider_BQ = torch.where(decided_BQ, stratum_Q, 0).cummax(1).values
        right_BQ = yes_BQ.gather(1, decider_BQ)
        before_BQ = pad(right_BQ[:, :-1], (1, 0), value=False)
        left_BQ = ~before_BQ & ~right_BQ & (uniform_BQ < self.p_left_RQ)
        threshold_BQ = torch.where(before_BQ, self.p1_RQ, self.p_left_RQ)
        leftover_BQ = ((uniform_BQ - threshold_BQ) / (1 - threshold_BQ).clamp_min(_TINY)).clamp(0, 1)
        between_BQ, _, _ = self._find(self.inner_start_RQ + leftover_BQ * self.inner_RQ)
        between_BQ = torch.minimum(torch.maximum(between_BQ, self.left_RQ + 1), self.right_RQ - 1)
        drawn_BQ = torch.where(right_BQ, self.right_RQ, torch.where(left_BQ, self.left_RQ, between_BQ))
        return torch.minimum(drawn_BQ, self.last_R1).clamp_min(0)  # out of range only in rows with fewer points than Q

    def probability_of(self, block_BQ: Tensor) -> Tensor:
        """The inclusion probability of a point of these blocks."""
        if self.probability_RK.shape[0] == 1:
            return self.probability_RK[0].take(block_BQ)
        return self.probability_RK.gather(1, block_BQ)

    def _find(self, place_BQ: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The point at a place on the line: position, π, and the distance from the point's start to the place."""
        shared = self.end_RK.shape[0] == 1
        end = self.end_RK[0] if shared else self.end_RK
        block = torch.searchsorted(end, place_BQ.contiguous()).clamp_max(self.blocks.num_blocks - 1)

        def of(value_RK: Tensor) -> Tensor:
            return value_RK[0].take(block) if shared else value_RK.expand(len(block), -1).gather(1, block)

        probability = of(self.probability_RK).clamp_min(_TINY)
        inside = place_BQ - torch.where(block > 0, of(pad(self.end_RK[:, :-1], (1, 0))), 0.0)
        offset = torch.minimum((inside / probability).ceil().long() - 1, of(self.blocks.size_RK) - 1).clamp_min(0)
        return of(self.blocks.first_RK) + offset, probability, inside - offset * probability

    def _across(self, border_RQ: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Position, left part and right part of the point across each border; strictly increasing under rounding."""
        smallest_R1 = self.probability_RK.amin(-1, keepdim=True)
        tolerance_R1 = (_TO_SMALLEST * smallest_R1).clamp_max(_ROUNDING)
        position, probability, left_part = self._find(border_RQ - tolerance_R1)
        left_part = left_part + tolerance_R1
        stratum = torch.arange(self.count, device=position.device)
        position = (position - stratum).cummax(1).values + stratum
        position = torch.minimum(position, self.last_R1 - (self.count - 1 - stratum))
        position[:, -1:] = self.last_R1
        left_part = torch.minimum(left_part.clamp_min(0), probability).clamp_max(1)
        right_part = probability - left_part
        right_part = torch.where((stratum == self.count - 1) | (right_part < tolerance_R1), 0.0, right_part)
        return position, left_part, right_part

    def _chances(self, a: Tensor, b: Tensor, a_before: Tensor) -> None:
        """The thresholds p1, p0, p0 + h, and where the points between the border points begin and end."""
        take_left = torch.where(b > 0, b / (1 - a_before).clamp_min(_TINY), 0.0).clamp(0, 1)
        inner = (1 - b - a).clamp_min(0)
        none = (inner < _ROUNDING) | (self.right_RQ - self.left_RQ <= 1)
        self.p1_RQ = torch.where(none, 1.0, a / (1 - b).clamp_min(_TINY)).clamp(0, 1)
        self.p0_RQ = self.p1_RQ * (1 - take_left)
        self.p_left_RQ = torch.where(none, 1.0, self.p0_RQ + take_left)
        self.inner_start_RQ = self.border_Q - 1 + b
        self.inner_RQ = inner
