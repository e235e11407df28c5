"""Importance sampling: more query points where the loss needs them, with weights that keep its mean unbiased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, final

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LocalityOrder, Need, Points, Probe, Progress, Queries, Sampler
from upt_samplers.mathematics.blocks import Blocks, blocks_of, default_size
from upt_samplers.mathematics.inclusion import inclusion_probabilities
from upt_samplers.mathematics.integers import Coupling, coupled_uniforms
from upt_samplers.mathematics.padding import complete
from upt_samplers.mathematics.pivotal import PivotalPlan
from upt_samplers.mathematics.ranks import Visits, of_first_rank, visits_of_all
from upt_samplers.mathematics.score_map import ScoreMap
from upt_samplers.mathematics.score_sources import Metric, squared_scores
from upt_samplers.stratified import Stratified

_VERSION = 1
_STATIC = ("target_gradient", "variance")


@dataclass(frozen=True, eq=False)
class BlockQueries(Queries):
    """Queries that know the block of each query point, so that feedback need not look for it."""

    block_BQ: Tensor | None = None


@final
class Importance(Sampler):
    """Points with probability proportional to a score, spread over space; exact weights Q / (N π).

    The inclusion probability π of a point is min(1, c p), p = (1 - floor) · score / Σ score + floor / N, Σ π = Q
    (``inclusion``); the draw is ordered pivotal sampling along a curve (``pivotal``): Q distinct points, each with
    exactly its probability, as evenly spread as strata. Weights are at most 1 / floor. Scores come from past steps
    only. Until the first scores are known, draws are ``stratified``.

    Scores, as root mean squares over blocks of neighbouring points:

    * error: size of the residual, recomputed at all points every ``window`` epochs and updated in between by a running
      mean over the visited points;
    * gradient (or loss_gradient): size of the point's contribution to the loss's gradient, every ``window`` epochs;
    * target_gradient: steepness of the target fields, computed once; no model is needed;
    * variance: standard deviation of the target fields over samples, computed once, one map for all samples; only if
      samples share their points, and often weak.

    A draw costs O(B K + B Q log N) with K = N / block blocks; by default K ≤ 8,192, so that the cost does not grow with
    N. Memory: 4 bytes · samples · K for the scores (10,000 samples of 32,768 points: 328 MB by default, 41 MB at block
    32, 1.3 GB dense). On CUDA only ``diagnostics`` waits for the device, and ``observe`` with several processes, which
    exchange their observed errors so that all have the same scores.

    It pays if Q/N is small. The logged ``sampling_share`` is the part of the gradient's variance that is due to point
    sampling; no sampler can save more.

    Args:
        num_queries: query points per sample; 256 to 4096 are usual. If this reaches the number of points, all are used.
        metric: the score by which points are drawn; see above. If in doubt: error.
        window: epochs between two full recomputations of the scores; 0 = never, only for error (from visited points
            alone).
        start_epoch: stratified before this epoch, when the model's errors say little; 0 is fine for static metrics.
        floor: share of the draws that is uniform, 0 < floor ≤ 1; 0.1 to 0.5. Weights are at most 1 / floor.
        block: number of neighbouring points that share a score; null = 4, or more if a sample has more than 32,768
            points. Small blocks are sharper after a refresh, large ones learn faster without one and take less memory.
        decay: weight of the old score at each visit of a block in the running mean, 0 ≤ decay < 1.
        dense: one score for each point instead of each block; scores then change at the refresh only.
        directions: random directions with which the metric gradient estimates its norm; each costs two forward passes
            over the data.
        coupling: latin = the samples of a batch cover the domain together; independent.
    """

    def __init__(
        self,
        num_queries: Annotated[int, Field(ge=1)] = 2048,
        metric: Metric = "error",
        window: Annotated[int, Field(ge=0)] = 5,
        start_epoch: Annotated[int, Field(ge=0)] = 1,
        floor: Annotated[float, Field(gt=0, le=1)] = 0.2,
        block: Annotated[int, Field(ge=1)] | None = None,
        decay: Annotated[float, Field(ge=0, lt=1)] = 0.7,
        dense: bool = False,
        directions: Annotated[int, Field(ge=1)] = 8,
        coupling: Coupling = "latin",
    ) -> None:
        if window == 0 and (dense or metric not in ("error", *_STATIC)):
            raise ValueError("window 0 learns from visited points alone: it needs metric 'error' and dense false")
        self._before = Stratified(num_queries, coupling)
        self.num_queries, self.window, self.start_epoch = num_queries, window, start_epoch
        self.metric: Metric = "gradient" if metric == "loss_gradient" else metric
        self.floor, self.decay, self.directions, self.dense = floor, decay, directions, dense
        self.block = 1 if dense else block
        self._size = self.block or 0  # known from the first refresh on
        self.coupling: Coupling = coupling
        self._map: ScoreMap | None = None
        self._refreshed = -1
        self._plan: tuple[tuple[Any, ...], PivotalPlan] | None = None
        self._weight_BQ: Tensor | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        """Scattered points are visited along their locality order."""
        return (LocalityOrder(),)

    @property
    def adaptive(self) -> bool:
        """True, also for static scores: they come by ``refresh``."""
        return True

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """Q distinct points of each row with probability by score; stratified as long as there are no scores."""
        if self._map is None or progress.epoch < self.start_epoch:
            return self._before.draw(points, count, rng, progress)
        blocks = blocks_of(points, self._size)
        plan = self._plan_of(points, blocks, count)
        position_BQ = plan.draw(coupled_uniforms(points.batch_size, count, rng, self.coupling))
        block_BQ = blocks.block_at(position_BQ)
        weight_BQ = plan.probability_of(block_BQ).reciprocal_().mul_(count / blocks.num_points_R1).float()
        position_BQ, completed_BQ = complete(points, position_BQ, weight_BQ)
        if completed_BQ is not weight_BQ:
            block_BQ = blocks.block_at(position_BQ)
        self._weight_BQ = completed_BQ
        return BlockQueries(blocks.point_at(position_BQ, block_BQ), completed_BQ, block_BQ)

    def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
        """Moves the scores of visited blocks towards the squared residuals seen there (metric error, not dense)."""
        if self._map is None or self.metric != "error" or self.dense:
            return
        blocks = blocks_of(points, self._size)
        seen_BQ = torch.ones_like(error_BQ, dtype=torch.bool) if queries.weight_BQ is None else queries.weight_BQ > 0
        own = Visits(
            None if self._map.shared else points.sample_id_B,
            _block_of(queries, blocks, error_BQ),
            error_BQ,
            seen_BQ,
            blocks.num_blocks,
        )
        self._map.to(points.device).observe(visits_of_all(own), self.decay)
        self._plan = None

    def refresh_due(self, progress: Progress) -> bool:
        """At start_epoch, and for scores that depend on the model every ``window`` epochs from there."""
        if progress.epoch < self.start_epoch or progress.epoch == self._refreshed:
            return False
        if self._map is None:
            return True
        return self.metric not in _STATIC and self.window > 0 and (progress.epoch - self.start_epoch) % self.window == 0

    def refresh(self, probe: Probe, progress: Progress) -> None:
        """Recomputes all scores with the model as it is, in one pass over the training data.

        Raises:
            DataError: metric variance where samples do not share their points.
        """
        shared = self.metric == "variance"
        self._size = self.block or default_size(next(iter(probe.targets()))[0].num_points)
        scores = ScoreMap(torch.full((1 if shared else probe.num_samples, 1), torch.nan), shared)
        if self.window > 0 or self.metric in _STATIC:
            for points, square_BN in squared_scores(self.metric, probe, self.directions):
                scores.shared |= points.sample_id_B is None
                scores.to(points.device).assign(points.sample_id_B, blocks_of(points, self._size), square_BN)
        scores.value_SK = of_first_rank(scores.value_SK)
        self._map, self._plan, self._refreshed = scores, None, progress.epoch

    def state_dict(self) -> dict[str, Any]:
        """Version, metric, block, epoch of the last refresh, and the scores if there are any."""
        state: dict[str, Any] = {
            "version": _VERSION,
            "metric": self.metric,
            "block": self._size,
            "refreshed": self._refreshed,
        }
        if self._map is not None:
            state |= {"shared": self._map.shared, "value_SK": self._map.value_SK.clone()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores scores.

        Raises:
            ValueError: they belong to another version, metric or block size.
        """
        block = state.get("block") if self.block is None else self.block
        for name, mine in (("version", _VERSION), ("metric", self.metric), ("block", block)):
            if state.get(name) != mine:
                raise ValueError(
                    f"importance scores were saved with {name} {state.get(name)!r}, but this sampler has {mine!r}; "
                    f"set {name} as in the saved run, or start without the saved scores"
                )
        self._refreshed, self._size, self._plan = state["refreshed"], state["block"], None
        self._map = ScoreMap(state["value_SK"].clone(), state["shared"]) if "value_SK" in state else None

    def diagnostics(self) -> dict[str, float]:
        """Of the latest draw: Kish's effective share (Σw)² / (Q Σw²), 1 for equal weights, and the largest weight.

        Waits for the device.
        """
        if self._weight_BQ is None:
            return {}
        weight_BQ = self._weight_BQ.double()
        share_B = weight_BQ.sum(1).square() / (weight_BQ.square().sum(1) * weight_BQ.shape[1])
        return {"effective_share": float(share_B.mean()), "largest_weight": float(weight_BQ.max())}

    def _plan_of(self, points: Points, blocks: Blocks, count: int) -> PivotalPlan:
        """The plan of these rows; kept until scores change where one map and one set of sizes serve all rows."""
        assert self._map is not None
        key = (count, points.num_points, points.grid_shape, points.device)
        if self._plan is not None and self._plan[0] == key:
            return self._plan[1]
        score_RK = self._map.to(points.device).scores(points.sample_id_B, blocks.num_blocks)
        total_R1 = blocks.num_points_R1.clamp_max(count)
        plan = PivotalPlan(inclusion_probabilities(score_RK, blocks.points_RK, total_R1, self.floor), blocks, count)
        if plan.probability_RK.shape[0] == 1 and points.lengths is None and self._map.shared:
            self._plan = (key, plan)
        return plan


def _block_of(queries: Queries, blocks: Blocks, error_BQ: Tensor) -> Tensor:
    if isinstance(queries, BlockQueries) and queries.block_BQ is not None:
        return queries.block_BQ
    index_BQ = queries.index_BQ
    if index_BQ is None:
        index_BQ = torch.arange(error_BQ.shape[1], device=error_BQ.device).expand(error_BQ.shape)
    return blocks.block_of(index_BQ)
