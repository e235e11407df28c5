"""Ends training when a figure no longer improves, or reaches a goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PositiveInt

from upt_callbacks.figures import Better, Watched, check_name, figure
from upt_core import Callback, Trainer, hookimpl


class EarlyStop(Callback):
    """Ends training when a figure no longer improves, or reaches a goal; the run then has its usual test figures.

    ``validation.patience`` does the same for the metric that chooses the best checkpoint; this callback watches any
    figure that is logged.

    Args:
        figure: ``validation/METRIC``, or ``epoch/NAME`` for an epoch's mean, such as ``epoch/loss/forward``.
        patience: values without improvement before training ends; 5 to 20.
        better: "lower" or "higher".
        min_change: part of the best value by which a value must be better to count; 0 to 0.01.
        goal: training also ends when the figure is this good; None: there is none.

    Raises:
        ValueError: ``figure`` begins with neither ``validation/`` nor ``epoch/``.
    """

    def __init__(
        self,
        figure: str,
        patience: PositiveInt = 10,
        better: Better = "lower",
        min_change: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        goal: float | None = None,
    ) -> None:
        check_name(figure)
        self._figure = figure
        self._patience = patience
        self._goal = goal
        self._better = better
        self._watched = Watched(better, min_change)

    @hookimpl
    def validation_ended(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        """Looks at a metric."""
        self._look(trainer, figure(self._figure, metrics, "validation"))

    @hookimpl
    def epoch_ended(self, trainer: Trainer, scalars: Mapping[str, float]) -> None:
        """Looks at an epoch's mean."""
        self._look(trainer, figure(self._figure, scalars, "epoch"))

    def _look(self, trainer: Trainer, value: float | None) -> None:
        if value is None:
            return
        self._watched.see(value)
        reached = self._goal is not None and (value <= self._goal if self._better == "lower" else value >= self._goal)
        if reached:
            trainer.control.stop(f"early_stop: {self._figure} is {value:.4g}, and its goal {self._goal:.4g}")
        elif self._watched.waited >= self._patience:
            trainer.control.stop(f"early_stop: {self._figure} did not improve in {self._patience} values")
