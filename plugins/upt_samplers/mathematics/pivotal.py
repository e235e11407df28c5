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

from functools import lru_cache

import torch
from torch import Tensor

from upt_samplers.mathematics.blocks import Blocks

_ROUNDING = 1e-9
"""A point that ends (or begins) so close to a border is taken to end there: points of probability 1 fill a stratum."""

_COUNTING = 8  # up to so many blocks for each query point it is faster to count blocks than to search them
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
        self.last_R1 = blocks.num_points_R1.long() - 1
        self.border_E = _borders(count, probability_RK.device)
        mass_RK = probability_RK * blocks.points_RK
        self.start_RE = mass_RK.new_zeros(len(mass_RK), mass_RK.shape[1] + 1)
        torch.cumsum(mass_RK, -1, out=self.start_RE[:, 1:])
        self.start_RE *= blocks.num_points_R1.clamp_max(count) / self.start_RE[:, -1:]
        position_RE, left_part_RE, right_part_RE = self._across()
        self.left_RQ, self.right_RQ = position_RE[:, :-1], position_RE[:, 1:]
        self.first_RQ, self.last_RQ = self.left_RQ + 1, self.right_RQ - 1
        self._chances(left_part_RE[:, 1:], right_part_RE[:, :-1], left_part_RE[:, :-1])

    def draw(self, uniform_BQ: Tensor) -> Tensor:
        """Positions of Q distinct points in each row, int64 (B, Q), from uniform numbers in [0, 1)."""
        yes_BQ = uniform_BQ < self.p0_RQ
        decided_BQ = yes_BQ | (uniform_BQ >= self.p1_RQ)
        right_BQ = yes_BQ.gather(1, (decided_BQ * self.border_E[:-1]).cummax(1).values)
        before_BQ = right_BQ.roll(1, 1)  # in stratum 0 there is no L, and what came before makes no difference
        threshold_BQ = torch.where(before_BQ, self.p1_RQ, self.p_left_RQ)
        leftover_BQ = uniform_BQ.sub(threshold_BQ).div_(_rest(threshold_BQ).clamp_min_(_TINY)).clamp_(0, 1)
        between_BQ = self._at(torch.addcmul(self.inner_start_RQ, leftover_BQ, self.inner_RQ))
        between_BQ = torch.minimum(torch.maximum(between_BQ, self.first_RQ), self.last_RQ)
        left_BQ = (uniform_BQ < self.p_left_RQ) > before_BQ
        drawn_BQ = torch.where(right_BQ, self.right_RQ, torch.where(left_BQ, self.left_RQ, between_BQ))
        return torch.minimum(drawn_BQ, self.last_R1).clamp_min_(0)  # out of range only in rows with fewer points than Q

    def probability_of(self, block_BQ: Tensor) -> Tensor:
        """The inclusion probability of a point of these blocks."""
        return _of(self.probability_RK, block_BQ)

    def _at(self, place_BQ: Tensor) -> Tensor:
        """Position of the point at each place on the line, one in each stratum."""
        block_BQ = self._block_at(place_BQ)
        inside_BQ = place_BQ.sub_(_of(self.start_RE, block_BQ))
        offset_BQ = inside_BQ.div_(_of(self.probability_RK, block_BQ)).ceil_().sub_(1).clamp_min_(0)
        return offset_BQ.long() + _of(self.blocks.first_RK, block_BQ)

    def _block_at(self, place_BQ: Tensor) -> Tensor:
        """The first block that ends at a place or after it: a block that ends in stratum k is before all later places
        and, as it may be, before the one in its own."""
        if self.blocks.num_blocks > _COUNTING * self.count:
            start_RE = self.start_RE[0] if len(self.start_RE) == 1 else self.start_RE
            return torch.searchsorted(start_RE, place_BQ).sub_(1).clamp_(0, self.blocks.num_blocks - 1)
        own_BK = place_BQ.gather(1, self.stratum_RK.clamp_max(self.count - 1).expand(len(place_BQ), -1))
        later_BK = (self.start_RE[:, 1:] >= own_BK).add(self.stratum_RK)
        return _num_up_to(later_BK.clamp_max_(self.count), self.count)

    def _across(self) -> tuple[Tensor, Tensor, Tensor]:
        """Position, left part and right part of the point across each border; strictly increasing under rounding.

        Border 0 stands for a point before the first, of which no part is in the first stratum.
        """
        tolerance_R1 = (_TO_SMALLEST * self.probability_RK.amin(-1, keepdim=True)).clamp_max_(_ROUNDING)
        self.stratum_RK = (self.start_RE[:, 1:] + tolerance_R1).long().clamp_(0, self.count)
        block_RE = _num_up_to(self.stratum_RK + 1, self.count + 1)
        probability = _of(self.probability_RK, block_RE)
        inside = (self.border_E - tolerance_R1).sub_(_of(self.start_RE, block_RE))
        offset = torch.minimum((inside / probability).ceil_(), _of(self.blocks.points_RK, block_RE))
        offset = offset.sub_(1).clamp_min_(0)
        left_part = torch.addcmul(inside, offset, probability, value=-1).add_(tolerance_R1).clamp_min_(0)
        right_part = probability - torch.minimum(left_part, probability, out=left_part)
        right_part = right_part.masked_fill_(right_part < tolerance_R1, 0)
        right_part[:, :1] = 0
        return self._increasing(offset.long() + _of(self.blocks.first_RK, block_RE)), left_part, right_part

    def _increasing(self, position_RE: Tensor) -> Tensor:
        """Positions of the points across borders, made distinct; the first is before, the last at the last point."""
        rank_RE = position_RE - self.border_E
        rank_RE[:, :1] = -1
        most_R1 = self.last_R1 - self.count
        rank_RE = torch.minimum(rank_RE.cummax(1).values, most_R1)
        rank_RE[:, -1:] = most_R1
        return rank_RE + self.border_E

    def _chances(self, a: Tensor, b: Tensor, a_before: Tensor) -> None:
        """The thresholds p1, p0, p0 + h, and where the points between the border points begin and end."""
        take_left = (b / _rest(a_before).clamp_min_(_TINY)).clamp_max_(1)
        beside_left = _rest(b)
        self.inner_RQ = (beside_left - a).clamp_min_(0)
        none = (self.inner_RQ < _ROUNDING) | (self.first_RQ > self.last_RQ)
        self.p1_RQ = (a / beside_left.clamp_min_(_TINY)).clamp_max_(1).masked_fill_(none, 1)
        self.p0_RQ = torch.addcmul(self.p1_RQ, self.p1_RQ, take_left, value=-1)
        self.p_left_RQ = (self.p0_RQ + take_left).masked_fill_(none, 1)
        self.inner_start_RQ = b + self.border_E[:-1]


def _num_up_to(number_RK: Tensor, count: int) -> Tensor:
    """How many of each row's numbers 0 … count are 0, at most 1, … at most count - 1; but at most all less one."""
    shape = (len(number_RK), count + 1)
    times = number_RK.new_zeros(shape).scatter_add_(1, number_RK, torch.ones_like(number_RK))
    return times[:, :-1].cumsum(1).clamp_max_(number_RK.shape[1] - 1)


def _rest(value: Tensor) -> Tensor:
    """1 - value; torch takes three times as long for a number less a tensor."""
    return value.neg().add_(1)


@lru_cache(maxsize=8)
def _borders(count: int, device: torch.device) -> Tensor:
    return torch.arange(count + 1, device=device)


def _of(value_RK: Tensor, block_BQ: Tensor) -> Tensor:
    """What each row's blocks have; one row may serve all."""
    if len(value_RK) == 1:
        return value_RK.take(block_BQ)
    return value_RK.gather(1, block_BQ)
