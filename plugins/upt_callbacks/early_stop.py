"""Ends training when a figure no longer improves, or reaches a goal."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt

from upt_callbacks.figures import Better, FigureWatcher, Watched
from upt_core import Trainer


class EarlyStop(FigureWatcher):
    """Ends training when a logged value no longer improves, or reaches a goal; the run then has its usual test figures.

    ``validation.patience`` does the same for the metric that chooses the best checkpoint; this callback can watch any
    logged value. What it has seen is part of every checkpoint; it starts over in each stage.

    Args:
        figure: ``validation/METRIC``, or ``epoch/NAME`` for an epoch's mean, such as ``epoch/loss/forward``.
        patience: values without improvement before training ends; 5 to 20.
        better: "lower" or "higher".
        min_change: smallest improvement that counts, as a fraction of the best value; 0 to 0.01.
        goal: training also ends when the value is this good; None: no goal.

    Raises:
        ValueError: ``figure`` begins with neither ``validation/`` nor ``epoch/``.
    """

    check_arguments: ClassVar = {"figure": "epoch/loss/total"}

    def __init__(
        self,
        figure: str,
        patience: PositiveInt = 10,
        better: Better = "lower",
        min_change: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        goal: float | None = None,
    ) -> None:
        super().__init__(figure, better, min_change)
        self._patience = patience
        self._goal = goal
        self._better = better

    def act(self, trainer: Trainer, value: float, watched: Watched) -> None:
        """Ends training where the goal is reached, or patience used up."""
        reached = self._goal is not None and (value <= self._goal if self._better == "lower" else value >= self._goal)
        if reached:
            trainer.control.stop(f"early_stop: {self.figure} is {value:.4g}, and its goal is {self._goal:.4g}")
        elif watched.waited >= self._patience:
            trainer.control.stop(f"early_stop: {self.figure} did not improve over {self._patience} values")
