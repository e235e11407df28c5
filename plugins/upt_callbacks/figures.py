"""Callbacks that act on a figure, which they find by its name in what is logged or in the validation's metrics."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

from upt_core import Callback, Trainer, UserError, hookimpl

Better = Literal["lower", "higher"]


class Watched:
    """A figure's best value, and for how many of its values there was none better.

    Args:
        better: which of two values is the better one.
        min_change: by which part of the best value a value must be better to count.
        best: so far, times -1 where higher is better.
        waited: values since then.
    """

    def __init__(self, better: Better, min_change: float, best: float = math.inf, waited: int = 0) -> None:
        self._sign = 1.0 if better == "lower" else -1.0
        self._min_change = min_change
        self.best = best
        self.waited = waited

    def see(self, value: float) -> None:
        """Takes a value in; one that is not finite is never better."""
        signed = self._sign * value
        limit = self.best - self._min_change * abs(self.best) if math.isfinite(self.best) else self.best
        if math.isfinite(value) and signed < limit:
            self.best, self.waited = signed, 0
        else:
            self.waited += 1


class FigureWatcher(Callback):
    """Looks at each value of a figure, and acts. What it has seen is in the notes of ``trainer.control``: a resumed run
    goes on with it, and each stage begins anew.

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
        self._compared = (better, min_change)

    @hookimpl
    def validation_ended(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        """Looks at a metric."""
        self._look(trainer, "validation", metrics)

    @hookimpl
    def epoch_ended(self, trainer: Trainer, scalars: Mapping[str, float]) -> None:
        """Looks at an epoch's mean."""
        self._look(trainer, "epoch", scalars)

    def _look(self, trainer: Trainer, hook: str, values: Mapping[str, float]) -> None:
        kind, _, name = self.figure.partition("/")
        if kind != hook:
            return
        notes, key = trainer.control.notes, f"{type(self).__name__} {sorted(vars(self).items())}"
        if name not in values:
            if key in notes:  # some figures are not computed in every epoch
                return
            raise UserError(f"there is no figure {self.figure!r}; known: {hook}/{f', {hook}/'.join(values)}")
        watched = Watched(*self._compared, **notes.get(key, {}))
        watched.see(values[name])
        self.act(trainer, values[name], watched)
        notes[key] = {"best": watched.best, "waited": watched.waited}

    @abstractmethod
    def act(self, trainer: Trainer, value: float, watched: Watched) -> None:
        """What follows from the value, which ``watched`` has seen."""


def check_name(name: str) -> None:
    """Refuses a name that no hook can have.

    Raises:
        ValueError: it begins with neither ``validation/`` nor ``epoch/``.
    """
    if not name.startswith(("validation/", "epoch/")) or name.endswith("/"):
        raise ValueError(f"figure must be validation/METRIC or epoch/NAME, such as epoch/loss/total; got {name!r}")
