"""Learning-rate factor: a linear warm-up, a plateau, a linear decay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upt_core import Progress, Schedule


class WarmupStableDecay(Schedule):
    """From 0 to 1 over the warm-up, 1 for most of the run, then in a straight line to ``final`` at its end.

    Unlike with a cosine, training can continue from a checkpoint of the plateau for any number of epochs. It changes at
    every step. If warm-up and decay overlap, the smaller factor is used.

    Args:
        warmup_epochs: length of the warm-up; parts of an epoch are allowed. Good values: 5 % of the run.
        decay_epochs: length of the decay. Good values: 10 to 20 % of the run.
        final: factor at the end. Good values: 0 to 0.1.

    Source: Hu et al., MiniCPM, arXiv 2404.06395.
    """

    def __init__(
        self,
        warmup_epochs: Annotated[float, Field(ge=0)] = 1.0,
        decay_epochs: Annotated[float, Field(gt=0)] = 1.0,
        final: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        self.warmup_epochs = warmup_epochs
        self.decay_epochs = decay_epochs
        self.final = final

    def __call__(self, progress: Progress) -> float:
        """The factor now."""
        rising = progress.position / self.warmup_epochs if progress.position < self.warmup_epochs else 1.0
        left = max(0.0, progress.num_epochs - progress.position) / self.decay_epochs
        return min(rising, self.final + (1 - self.final) * min(1.0, left))
