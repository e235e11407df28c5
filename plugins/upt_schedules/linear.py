"""A straight line over the epochs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upt_core import Progress, Schedule
from upt_schedules.span import Span


class Linear(Schedule):
    """A straight line from one value to another over the epochs; constant before and after.

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
        return self.start * (1 - fraction) + self.end * fraction
