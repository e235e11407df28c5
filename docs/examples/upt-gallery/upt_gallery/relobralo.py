"""Weights of loss terms that follow how fast each term falls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from upt_core import Callback, hookimpl

if TYPE_CHECKING:
    from upt_core import Trainer

Values = dict[str, float]
LEAST = 1e-6
"""No term's factor falls below it: factors are positive."""


class Relobralo(Callback):
    """Multiplies the weights of the loss terms by factors with mean 1; a term that falls slowly gets a larger one.

    The factor of a term is the softmax over the terms of its value relative to an earlier one, times their number:
    relative to the last logged step for a fast reaction, relative to the first for a memory of the whole run. The paper
    looks back to the first step at random; here the expectation of that is taken, so that a resumed run goes on as the
    whole one would. What it remembers is part of every checkpoint.

    It acts on logged steps: ``trainer.log_every: 1`` lets it act on each one.

    Args:
        temperature: 1 or below; the smaller, the more a slow term gains. At large values all factors are 1.
        memory: how much of the last factors stays at each logged step, 0.9 to 0.999.
        look_back: the chance in the paper that the last factors are remembered rather than the first step, 0.99 to 1.

    Source: Bischof and Kraus, arXiv 2110.09813, ReLoBRaLo.
    """

    def __init__(
        self,
        temperature: Annotated[float, Field(gt=0)] = 1.0,
        memory: Annotated[float, Field(ge=0, le=1)] = 0.999,
        look_back: Annotated[float, Field(ge=0, le=1)] = 0.999,
    ) -> None:
        self._temperature = temperature
        self._memory = memory
        self._look_back = look_back

    @hookimpl
    def step_ended(self, trainer: Trainer, scalars: Mapping[str, float]) -> None:
        """Moves the factors, once every term has been seen."""
        terms = trainer.control.terms
        seen = {term: scalars[f"loss/{term}"] for term in terms if math.isfinite(scalars.get(f"loss/{term}", math.nan))}
        notes = trainer.control.notes.setdefault("relobralo", {"first": {}, "last": {}, "factors": {}})
        now = {**notes["last"], **seen}  # a term that was not due keeps its last value
        if set(notes["first"]) == set(now) and len(now) == len(terms):
            self._balance(trainer, now, notes["first"], notes["last"], notes["factors"])
        notes["first"] = {**now, **notes["first"]}
        notes["last"] = now

    def _balance(self, trainer: Trainer, now: Values, first: Values, last: Values, factors: Values) -> None:
        slow, fast = balanced(now, first, self._temperature), balanced(now, last, self._temperature)
        for term in now:
            before = factors.get(term, 1.0)
            kept = self._look_back * before + (1 - self._look_back) * slow[term]
            factors[term] = max(self._memory * kept + (1 - self._memory) * fast[term], LEAST)
            trainer.control.scale_weight(term, factors[term] / before)


def balanced(now: Values, before: Values, temperature: float) -> Values:
    """Factors with mean 1: the softmax of ``now / (temperature · before)``, times the number of terms."""
    ratio = {term: now[term] / (temperature * before[term]) if before[term] > 0 else 0.0 for term in now}
    largest = max(ratio.values())
    weight = {term: math.exp(value - largest) for term, value in ratio.items()}
    total = sum(weight.values())
    return {term: len(weight) * value / total for term, value in weight.items()}
