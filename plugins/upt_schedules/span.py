"""Schedules that move from one value to another over some epochs, and how far they have come."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import Field

from upt_core import Progress, Schedule


class Span:
    """The epochs over which a schedule moves: 0 before ``start_epoch``, 1 from ``end_epoch`` on, linear between.

    Args:
        start_epoch: the last epoch at the start value.
        end_epoch: the first epoch at the end value; None: the last epoch of the run.
    """

    def __init__(self, start_epoch: int, end_epoch: int | None) -> None:
        if end_epoch is not None and end_epoch < start_epoch:
            raise ValueError(f"end_epoch is {end_epoch}, before start_epoch {start_epoch}; it must not be earlier")
        self.start_epoch = start_epoch
        self.end_epoch = end_epoch

    def fraction(self, progress: Progress) -> float:
        """How much of the way is done, from 0 to 1. A run that ends before the span begins never leaves 0."""
        if progress.epoch < self.start_epoch:
            return 0.0
        end_epoch = progress.num_epochs - 1 if self.end_epoch is None else self.end_epoch
        if progress.epoch >= end_epoch:
            return 1.0
        return (progress.epoch - self.start_epoch) / (end_epoch - self.start_epoch)


class Moving(Schedule):
    """From one value to another over the epochs; constant before and after."""

    def __init__(
        self,
        start: float,
        end: float,
        start_epoch: Annotated[int, Field(ge=0)] = 0,
        end_epoch: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        """How far, and when.

        Args:
            start: the value up to and including ``start_epoch``.
            end: the value from ``end_epoch`` on.
            start_epoch: the epoch in which the value begins to change.
            end_epoch: the first epoch at the end value; default: the last epoch of the run.
        """
        self.start = start
        self.end = end
        self.span = Span(start_epoch, end_epoch)

    def __call__(self, progress: Progress) -> float:
        """The value in this epoch."""
        return self.between(self.span.fraction(progress))

    @abstractmethod
    def between(self, fraction: float) -> float:
        """The value at a part of the way: exactly ``start`` at 0, exactly ``end`` at 1."""
