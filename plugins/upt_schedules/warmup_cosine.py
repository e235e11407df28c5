"""Learning-rate factor: a linear warm-up, then half a cosine wave down."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from upt_core import Progress, Schedule


class WarmupCosine(Schedule):
    """From 0 to 1 over the warm-up, then along half a cosine wave to ``final`` at the end of the run.

    It changes at every step (it follows ``progress.position``), so it suits the learning rate, whose base value it
    multiplies. A run that is not longer than the warm-up only rises.

    Args:
        warmup_epochs: length of the warm-up; parts of an epoch are allowed. Good values: 5 % of the run.
        warmup_share: length of the warm-up as a share of the run, instead of ``warmup_epochs``. Use it for a run with a
            budget of seconds, because its number of epochs is not known. Good values: 0.05.
        final: factor at the end. Good values: 0 to 0.1.

    Source: Loshchilov and Hutter, SGDR, arXiv 1608.03983; warm-up: Goyal et al., arXiv 1706.02677.
    """

    def __init__(
        self,
        warmup_epochs: Annotated[float, Field(ge=0)] = 1.0,
        final: Annotated[float, Field(ge=0, le=1)] = 0.0,
        warmup_share: Annotated[float, Field(ge=0, lt=1)] | None = None,
    ) -> None:
        self.warmup_epochs = warmup_epochs
        self.warmup_share = warmup_share
        self.final = final

    def __call__(self, progress: Progress) -> float:
        """The factor now."""
        warmup = self.warmup_epochs if self.warmup_share is None else self.warmup_share * progress.num_epochs
        if progress.position < warmup:
            return progress.position / warmup
        remaining = progress.num_epochs - warmup
        fraction = min(1.0, (progress.position - warmup) / remaining) if remaining > 0 else 1.0
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * fraction)) / 2
