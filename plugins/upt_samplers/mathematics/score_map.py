"""Scores that an adaptive sampler remembers: the mean squared score of each block of each sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from upt_samplers.mathematics.blocks import Blocks
from upt_samplers.mathematics.ranks import Visits


class ScoreMap:
    """float32 (S, K): one row for each sample, or a single row for all; NaN where nothing is known yet.

    The running estimate forgets by the number of visits: c visits with mean m turn a score s into β^c s + (1 - β^c) m.

    Args:
        value_SK: mean squared scores.
        shared: one row serves all samples.
    """

    def __init__(self, value_SK: Tensor, shared: bool) -> None:
        self.value_SK = value_SK
        self.shared = shared
        self._assigned = 0

    def to(self, device: torch.device) -> ScoreMap:
        """Moves the map, in place."""
        self.value_SK = self.value_SK.to(device)
        return self

    def scores(self, sample_id_B: Tensor | None, num_blocks: int) -> Tensor:
        """Root mean square scores (R, K), R = B or 1. Unknown blocks get the mean square of the row's known ones."""
        self._reserve(num_blocks)
        square_RK = self.value_SK.index_select(0, self._rows(sample_id_B))[:, :num_blocks]
        square_RK = square_RK.nan_to_num(-1.0)  # arithmetic with signs is several times faster than with masks
        unknown_RK = square_RK.clamp_max(0)  # -1, else 0
        num_known_R1 = unknown_RK.sum(-1, keepdim=True).add_(num_blocks).clamp_min_(1)
        mean_R1 = square_RK.clamp_min_(0).sum(-1, keepdim=True).div_(num_known_R1)
        return square_RK.addcmul_(unknown_RK, mean_R1, value=-1).sqrt_()

    def assign(self, sample_id_B: Tensor | None, blocks: Blocks, square_BN: Tensor) -> None:
        """Replaces the scores of samples by the block means of a squared score that is known at all points.

        Points that pad must hold 0. A block with a value that is not finite counts as unknown. A shared map gets the
        mean over the samples of all calls.
        """
        index_1N = torch.arange(square_BN.shape[1], device=square_BN.device).unsqueeze(0)
        block_BN = blocks.block_of(index_1N.expand(square_BN.shape))
        sum_BK = square_BN.new_zeros(square_BN.shape[0], blocks.num_blocks).scatter_add_(1, block_BN, square_BN)
        mean_BK = (sum_BK / blocks.size_RK.clamp_min(1)).float()
        self._reserve(blocks.num_blocks)
        rows = self._rows(sample_id_B)
        value_BK = torch.where(mean_BK.isfinite(), mean_BK, torch.nan)
        if self.shared or sample_id_B is None:
            value_BK = self._running_mean(value_BK)
        self.value_SK[rows, : blocks.num_blocks] = value_BK

    def observe(self, visits: Visits, decay: float) -> None:
        """Moves the scores towards squared scores seen at visited points.

        Args:
            visits: where, and what was seen.
            decay: β.
        """
        square_BQ, block_BQ, num_blocks = visits.square_BQ, visits.block_BQ, visits.num_blocks
        valid_BQ = visits.seen_BQ & square_BQ.isfinite()
        shape = (len(block_BQ), num_blocks)
        visits_BK = square_BQ.new_zeros(shape).scatter_add_(1, block_BQ, valid_BQ.to(square_BQ.dtype))
        sum_BK = square_BQ.new_zeros(shape).scatter_add_(1, block_BQ, torch.where(valid_BQ, square_BQ, 0.0))
        self._reserve(num_blocks)
        rows = self._rows(visits.sample_id_B)
        same = torch.ones(1, len(block_BQ), dtype=visits_BK.dtype, device=rows.device)
        if len(rows) > 1:  # a sample that is in the batch twice: both rows get the sum, and are written as equals
            same = (rows.unsqueeze(1) == rows).to(visits_BK.dtype)
        visits_RK, sum_RK = same @ visits_BK, same @ sum_BK
        old_RK = self.value_SK[rows, :num_blocks]
        mean_RK = sum_RK / visits_RK.clamp_min(1)
        old_RK = torch.where(old_RK.isnan() & (visits_RK > 0), mean_RK, old_RK)
        self.value_SK[rows, :num_blocks] = (old_RK + (1 - decay**visits_RK) * (mean_RK - old_RK)).float()

    def _running_mean(self, value_BK: Tensor) -> Tensor:
        """The mean over all samples assigned so far, these included, for the single row of a shared map."""
        old_1K = self.value_SK[:1, : value_BK.shape[1]]
        before, self._assigned = self._assigned, self._assigned + len(value_BK)
        mean_1K = value_BK.mean(0, keepdim=True)
        return mean_1K if before == 0 else old_1K + (mean_1K - old_1K) * (len(value_BK) / self._assigned)

    def _rows(self, sample_id_B: Tensor | None) -> Tensor:
        if self.shared or sample_id_B is None:
            return torch.zeros(1, dtype=torch.int64, device=self.value_SK.device)
        return sample_id_B.to(self.value_SK.device)

    def _reserve(self, num_blocks: int) -> None:
        missing = num_blocks - self.value_SK.shape[1]
        if missing > 0:
            self.value_SK = pad(self.value_SK, (0, missing), value=torch.nan)
