"""How far a figure would move with other trajectories: intervals by resampling trajectories (the bootstrap).

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from upt_core.operator.prediction import Array

LEVEL, RESAMPLES, SEED = 0.95, 2000, 0
_AT_ONCE = 1 << 20
"""Counts that are drawn at a time."""

Range = tuple[float, float]


class Bootstrap:
    """Draws as many trajectories as there are, with replacement, again and again; all samples of one come together.

    Every figure meets the same draws, so that differences of figures are paired.

    Args:
        trajectory_S: the trajectory of each sample.
    """

    def __init__(self, trajectory_S: Array) -> None:
        self._names_G, self._group_S = np.unique(trajectory_S, return_inverse=True)

    def interval(self, figure_S: Tensor) -> Range | None:
        """The interval of a mean over samples; None for a single trajectory, which says nothing about others."""
        means_R = self._means(figure_S)
        if means_R is None:
            return None
        low, high = np.quantile(means_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    def difference(self, figure_S: Tensor, other_S: Tensor) -> Range | None:
        """The interval of the difference of two means over the same samples."""
        return self.interval(figure_S - other_S)

    def _means(self, figure_S: Tensor) -> Array | None:
        groups = len(self._names_G)
        if groups < 2:
            return None
        sum_G = np.bincount(self._group_S, weights=figure_S.numpy(), minlength=groups)
        number_G = np.bincount(self._group_S, minlength=groups)
        return np.concatenate([(draws_RG @ sum_G) / (draws_RG @ number_G) for draws_RG in self._draws(groups)])

    def _draws(self, groups: int) -> Iterator[Array]:
        """How often each trajectory comes in each resample."""
        rng = np.random.default_rng(SEED)
        left = RESAMPLES
        while left:
            rows = min(left, max(1, _AT_ONCE // groups))
            yield rng.multinomial(groups, np.full(groups, 1 / groups), size=rows)
            left -= rows
