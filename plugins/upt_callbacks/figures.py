"""Callbacks that act on a figure, which they find by its name in what is logged or in the validation's metrics."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

from upt_core import Callback, Trainer, hookimpl

Better = Literal["lower", "higher"]


class Watched:
    """A figure's best value, and for how many of its values there was none better.

    Args:
        better: which of two values is the better one.
        min_change: by which part of the best value a value must be better to count.
    """

    def __init__(self, better: Better, min_change: float) -> None:
        self._sign = 1.0 if better == "lower" else -1.0
        self._min_change = min_change
        self.best = math.inf
        self.waited = 0

    def see(self, value: float) -> None:
        """Takes a value in; one that is not finite is never better."""
        signed = self._sign * value
        limit = self.best - self._min_change * abs(self.best) if math.isfinite(self.best) else self.best
        if math.isfinite(value) and signed < limit:
            self.best, self.waited = signed, 0
        else:
            self.waited += 1


class FigureWatcher(Callback):
    """Looks at each value of a figure, and acts.

    Args:
        figure: ``validation/METRIC``, or ``epoch/NAME`` for an epoch's mean.
        better: "lower" or "higher".
        min_change: part of the best value by which a value must be better to count.

    Raises:
        ValueError: ``figure`` begins with neither ``validation/`` nor ``epoch/``.
    """

    def __init__(self, figure: str, better: Better, min_change: float) -> None:
        check_name(figure)
        self.figure = figure
        self.watched = Watched(better, min_change)

    @hookimpl
    def validation_ended(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        """Looks at a metric."""
        self._look(trainer, value_of(self.figure, metrics, "validation"))

    @hookimpl
    def epoch_ended(self, trainer: Trainer, scalars: Mapping[str, float]) -> None:
        """Looks at an epoch's mean."""
        self._look(trainer, value_of(self.figure, scalars, "epoch"))

    def _look(self, trainer: Trainer, value: float | None) -> None:
        if value is not None:
            self.watched.see(value)
            self.act(trainer, value)

    @abstractmethod
    def act(self, trainer: Trainer, value: float) -> None:
        """What follows from the value, which ``watched`` has seen."""


def value_of(name: str, where: Mapping[str, float], hook: str) -> float | None:
    """The value of a figure; None: it is not in this hook's values.

    Args:
        name: ``validation/…`` for a metric of the validation split, ``epoch/…`` for an epoch's mean.
        where: the values of a hook.
        hook: "validation" or "epoch".
    """
    kind, _, key = name.partition("/")
    return where.get(key) if kind == hook else None


def check_name(name: str) -> None:
    """Refuses a name that no hook can have.

    Raises:
        ValueError: it begins with neither ``validation/`` nor ``epoch/``.
    """
    if not name.startswith(("validation/", "epoch/")) or name.endswith("/"):
        raise ValueError(f"figure must be validation/METRIC or epoch/NAME, such as epoch/loss/total; got {name!r}")
