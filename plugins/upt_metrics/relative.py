"""What the relative metrics share: errors divided by the size of the target, where there is something to divide by."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self, final

import torch
from torch import Tensor

from upt_core import Batch, Metric
from upt_metrics.per_sample import check_shapes, seen, wide

AT_REST = 0.01
"""A target smaller than this part of the split's root mean square counts as at rest."""


class MeanOfRatios(Metric):
    """The mean over samples, time steps and channels of an error divided by the size of its target.

    A target at rest has no size to divide by: where it is below 1 % of the root mean square of that size over the
    split (of the same channel, where channels count one by one), the error is divided by that root mean square, so
    that one sample at rest does not decide the figure. A channel that is zero throughout the split is left out; where
    all are, the figure is 0 for an exact prediction and 1 for any other. ``remark`` says when this happened. All
    other ratios are exactly those of the definition.
    """

    def __init__(self) -> None:
        self._errors: list[Tensor] = []
        self._sizes: list[Tensor] = []
        self._by_sample: Tensor | None = None
        self._remark = ""

    @final
    def reset(self) -> None:
        """Forgets what was seen."""
        self._errors, self._sizes, self._by_sample, self._remark = [], [], None, ""

    @final
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        """Adds a batch.

        Raises:
            ValueError: prediction and target differ in shape, or the metric cannot work with these points.
        """
        check_shapes(prediction_BTNC, target_BTNC)
        prediction_BTNC, target_BTNC = wide(prediction_BTNC), wide(target_BTNC)
        self._errors.append(self.sizes(prediction_BTNC - target_BTNC, batch).detach())
        self._sizes.append(self.target_sizes(target_BTNC, batch).detach())

    @final
    def merge(self, other: Self) -> None:
        """Adds the errors and sizes of another."""
        self._errors, self._sizes = [*self._errors, *other._errors], [*self._sizes, *other._sizes]

    @final
    def compute(self) -> float:
        """The mean of all ratios since ``reset``."""
        error, size = seen(self._errors, self), seen(self._sizes, self)
        over = tuple(range(size.dim() - 1)) if size.dim() > 1 else 0  # samples, and time steps: all but the channels
        typical = size.square().mean(dim=over).sqrt().expand_as(size)
        at_rest, without_scale = size < AT_REST * typical, typical == 0
        self._remark = _remark(at_rest, without_scale)
        if without_scale.all():
            return float(error.any())
        ratio = error / torch.where(at_rest, typical, size)
        kept = ratio[~without_scale].view(len(ratio), -1)  # whole channels are left out, of all samples alike
        self._by_sample = kept.mean(dim=1)
        return kept.mean().item()

    @final
    def by_sample(self) -> Tensor | None:
        """The mean ratio of each sample; None where nothing is relative to the targets."""
        return self._by_sample

    @final
    def remark(self) -> str:
        """How many targets were at rest, and how many channels were left out."""
        return self._remark

    @abstractmethod
    def sizes(self, value_BTNC: Tensor, batch: Batch) -> Tensor:
        """The size of an error: a figure for each sample (B,), or for each sample, time step and channel (B, T, C)."""

    def target_sizes(self, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """The size that the error is divided by, of the shape of ``sizes``. Here: the size of the target itself."""
        return self.sizes(target_BTNC, batch)


def _remark(at_rest: Tensor, without_scale: Tensor) -> str:
    parts = []
    if at_rest.any():
        parts.append(
            f"{int(at_rest.sum())} of {at_rest.numel()} targets are at rest (below {AT_REST:.0%} of the split's root "
            f"mean square); their errors are divided by that root mean square"
        )
    if without_scale.any():
        channels = int(without_scale[0, 0].sum()) if without_scale.dim() == 3 else 1
        parts.append(
            f"{channels} of {without_scale.shape[-1] if without_scale.dim() == 3 else 1} channels are zero throughout "
            "the split, so a relative error is not defined for them"
        )
    return "; ".join(parts)
