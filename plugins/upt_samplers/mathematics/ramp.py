"""Ramps: budgets whose ratio goes from a start to an end over some epochs, in a staircase of few levels."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

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
        start_ratio: float,
        end_ratio: float,
        start_epoch: int,
        end_epoch: int | None,
        levels: int,
        base: Sampler | None,
        multiple: int,
    ) -> None:
        if end_epoch is not None and end_epoch < start_epoch:
            raise ValueError(
                f"end_epoch ({end_epoch}) is before start_epoch ({start_epoch}); the ratio is {start_ratio:g} before "
                f"the one and {end_ratio:g} from the other on"
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
