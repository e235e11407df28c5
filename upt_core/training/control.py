"""What listeners may ask of a run while it goes on: ``trainer.control`` in every hook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any


class Control:
    """Wishes of listeners, which the trainer fulfils after the present step of the optimizer.

    Factors of the learning rate and of weights are part of every checkpoint: a resumed run goes on with them. So are
    ``notes``: what a listener must not forget, as plain data under a key of its own.
    Of several processes the first has the listeners; what they ask is told to all after each logged step.

    Args:
        terms: names of the loss terms.
    """

    def __init__(self, terms: Sequence[str] = ()) -> None:
        self.terms = tuple(terms)
        self.lr_factor = 1.0
        self.weight_factors: dict[str, float] = {}
        self.stopped = ""
        self.notes: dict[str, Any] = {}
        self._save = False
        self._validate = False

    def stop(self, reason: str) -> None:
        """Ends training as after its last epoch: validation, checkpoint, test figures. It stays ended at a resume.

        Args:
            reason: one line for the person at the terminal; it is not empty.
        """
        if not reason:
            raise ValueError("control.stop needs a reason, one line for the terminal; got ''")
        self.stopped = reason

    def checkpoint(self) -> None:
        """Writes a checkpoint."""
        self._save = True

    def validate(self) -> None:
        """Computes the metrics of the validation split, beside those at the ends of epochs."""
        self._validate = True

    def scale_lr(self, factor: float) -> None:
        """Multiplies the learning rate by a factor from now on, on top of its schedule.

        Raises:
            ValueError: the factor is not a positive number.
        """
        self.lr_factor *= _positive("scale_lr", factor)

    def scale_weight(self, term: str, factor: float) -> None:
        """Multiplies a loss term's weight by a factor from now on, on top of its schedule.

        Raises:
            ValueError: there is no such term, or the factor is not a positive number.
        """
        if term not in self.terms:
            raise ValueError(
                f"control.scale_weight: there is no loss term {term!r}; there are: {', '.join(self.terms)}"
            )
        self.weight_factors[term] = self.weight_factors.get(term, 1.0) * _positive("scale_weight", factor)

    def asked_to_save(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        asked, self._save = self._save, False
        return asked

    def asked_to_validate(self) -> bool:
        """Whether a validation was asked for since the last call."""
        asked, self._validate = self._validate, False
        return asked

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain data."""
        own = {"weight_factors": dict(self.weight_factors), "notes": deepcopy(self.notes)}
        return {**vars(self), "terms": list(self.terms), **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what ``state_dict`` gave; the terms stay those of this run."""
        own = {"weight_factors": dict(state["weight_factors"]), "notes": deepcopy(state.get("notes", {}))}
        vars(self).update({**state, "terms": self.terms, **own})


def _positive(what: str, factor: float) -> float:
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"control.{what}: the factor must be a positive number; got {factor}")
    return factor
