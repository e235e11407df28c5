"""Lowers the learning rate when a figure no longer improves."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt

from upt_callbacks.figures import Better, FigureWatcher, Watched
from upt_core import Trainer


class ReduceOnPlateau(FigureWatcher):
    """Lowers the learning rate when a logged value no longer improves, on top of its schedule.

    The present factor and what it has seen are part of every checkpoint; it starts over in each stage.

    Args:
        figure: ``validation/METRIC``, or ``epoch/NAME`` for an epoch's mean, such as ``epoch/loss/forward``.
        factor: factor of the learning rate, each time; 0.1 to 0.5.
        patience: values without improvement before the rate is lowered; 3 to 10.
        better: "lower" or "higher".
        min_change: smallest improvement that counts, as a fraction of the best value; 0 to 0.01.
        min_factor: smallest factor; the learning rate is not lowered below it.

    Raises:
        ValueError: ``figure`` begins with neither ``validation/`` nor ``epoch/``.
    """

    check_arguments: ClassVar = {"figure": "epoch/loss/total"}

    def __init__(
        self,
        figure: str,
        factor: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        patience: PositiveInt = 5,
        better: Better = "lower",
        min_change: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        min_factor: Annotated[float, Field(gt=0, lt=1)] = 1e-3,
    ) -> None:
        super().__init__(figure, better, min_change)
        self._factor = factor
        self._patience = patience
        self._min_factor = min_factor

    def act(self, trainer: Trainer, value: float, watched: Watched) -> None:
        """Lowers the learning rate where patience is used up."""
        if watched.waited < self._patience:
            return
        watched.waited = 0
        if trainer.control.lr_factor * self._factor >= self._min_factor:
            trainer.control.scale_lr(self._factor)
