"""The weight of the inverse terms: nothing at first, then a ramp, then constant."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upt_core import Progress, Schedule


class Curriculum(Schedule):
    """0 in the first ``warmup_epochs``, a ramp to ``base`` over as many more, then ``base``; never above a cap.

    In epoch e with w warm-up epochs: 0 for e < w; min(base·(e − w)/w, max_weight) for w ≤ e < 2w;
    min(base, max_weight) for e ≥ 2w. While the weight is 0 the term is not computed at all.

    Args:
        base: the final weight. Good values: 0.001 to 0.05.
        warmup_epochs: epochs without the term, and epochs of the ramp after them. Good values: 5 to 15.
        max_weight: the weight is never larger. Good values: 0.05 to 0.1.
    """

    def __init__(
        self,
        base: Annotated[float, Field(ge=0)],
        warmup_epochs: Annotated[int, Field(ge=0)] = 15,
        max_weight: Annotated[float, Field(ge=0)] = 0.05,
    ) -> None:
        self.base = base
        self.warmup_epochs = warmup_epochs
        self.max_weight = max_weight

    def __call__(self, progress: Progress) -> float:
        """The weight in this epoch."""
        if progress.epoch < self.warmup_epochs:
            return 0.0
        if progress.epoch >= 2 * self.warmup_epochs:
            return min(self.base, self.max_weight)
        return min(self.base * (progress.epoch - self.warmup_epochs) / self.warmup_epochs, self.max_weight)
