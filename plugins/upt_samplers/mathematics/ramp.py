"""Ramps: budgets whose ratio goes from a start to an end over some epochs, in a staircase of few levels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, final

from pydantic import Field

from upt_core import Progress, Sampler
from upt_samplers.mathematics.budget import Budget


class Ramp(Budget):
    """The ratio is start_ratio before start_epoch, end_ratio from end_epoch on, and between them

        ratio = end + (start - end) · c,   c = round(shape(t) · (levels - 1)) / (levels - 1),
        t = (epoch - start_epoch) / (end_epoch - start_epoch),

    where ``shape`` falls from 1 to 0. At most ``levels`` different Q occur, so compiled models recompile seldom.
    """

    def __init__(
        self,
        start_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0,
        end_ratio: Annotated[float, Field(gt=0, le=1)] = 0.2,
        start_epoch: Annotated[int, Field(ge=0)] = 10,
        end_epoch: Annotated[int, Field(ge=0)] | None = None,
        levels: Annotated[int, Field(ge=2)] = 8,
        base: Sampler | None = None,
        multiple: Annotated[int, Field(ge=1)] = 64,
    ) -> None:
        """From which share of the points to which, when, and in how many levels.

        Args:
            start_ratio: share of the points before start_epoch.
            end_ratio: share of the points from end_epoch on; 0.2 to 0.5 are usual.
            start_epoch: first epoch of the ramp.
            end_epoch: first epoch at end_ratio; default: the last epoch of the run.
            levels: at most this many different ratios occur; a compiled model is compiled once for each.
            base: the sampler that chooses the points; default: uniform. Its own num_queries is not used.
            multiple: Q is rounded to a multiple of this, if Q is at least 8 multiples.
        """
        if end_epoch is not None and end_epoch < start_epoch:
            raise ValueError(
                f"end_epoch ({end_epoch}) is before start_epoch ({start_epoch}); make end_epoch larger; the ratio is "
                f"{start_ratio:g} before start_epoch and {end_ratio:g} from end_epoch on"
            )
        super().__init__(base, multiple)
        self.start_ratio, self.end_ratio = start_ratio, end_ratio
        self.start_epoch, self.end_epoch = start_epoch, end_epoch
        self.levels = levels

    @abstractmethod
    def shape(self, time: float) -> float:
        """How much of the start is left: from 1 at time 0 to 0 at time 1."""

    @final
    def ratio_at(self, progress: Progress) -> float:
        """The ratio of this epoch, on the staircase."""
        last = progress.num_epochs - 1 if self.end_epoch is None else self.end_epoch
        if progress.epoch < self.start_epoch:
            return self.start_ratio
        if progress.epoch >= last:
            return self.end_ratio
        steps = self.levels - 1
        level = round(self.shape((progress.epoch - self.start_epoch) / (last - self.start_epoch)) * steps)
        if level == steps:
            return self.start_ratio
        return self.end_ratio + (self.start_ratio - self.end_ratio) * level / steps
