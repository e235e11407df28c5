"""Half a cosine wave over the epochs."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from upt_core import Progress, Schedule
from upt_schedules.span import Span


class Cosine(Schedule):
    """Half a cosine wave from one value to another over the epochs: slow at both ends, constant before and after.

    Args:
        start: the value up to and including ``start_epoch``.
        end: the value from ``end_epoch`` on.
        start_epoch: the epoch in which the value begins to move.
        end_epoch: the first epoch at the end value; none: the last epoch of the run.
    """

    def __init__(
        self,
        start: float,
        end: float,
        start_epoch: Annotated[int, Field(ge=0)] = 0,
        end_epoch: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        self.start = start
        self.end = end
        self.span = Span(start_epoch, end_epoch)

    def __call__(self, progress: Progress) -> float:
        """The value in this epoch."""
        fraction = self.span.fraction(progress)
        if fraction == 1.0:
            return self.end  # exactly, without rounding
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * fraction)) / 2
