"""One dimension of a space: its values, its ends, and what the search algorithm sees of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from upt_core.commands import dump_yaml
from upt_sweep.sections import DimensionSettings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Form = Literal["choice", "uniform", "log_uniform", "int"]
FORMS: tuple[Form, ...] = ("choice", "uniform", "log_uniform", "int")
Point = dict[str, Any]
"""key.path → value."""


@dataclass(frozen=True)
class Dimension:
    """What one key may be.

    Args:
        key: its path, with dots.
        form: how ``values`` are meant.
        values: the choices, or the two ends.
    """

    key: str
    form: Form
    values: tuple[Any, ...]

    @property
    def labels(self) -> list[str]:
        """The choices as text, which any storage keeps: a choice may be a whole mapping."""
        return [label(value) for value in self.values]

    @property
    def all_values(self) -> list[Any] | None:
        """Every value there is; None where there is no end of them."""
        if self.form == "choice":
            return list(self.values)
        return list(range(self.values[0], self.values[1] + 1)) if self.form == "int" else None

    @property
    def logarithmic(self) -> bool:
        """Whether an axis of this dimension is logarithmic."""
        return self.form == "log_uniform"

    def distribution(self) -> BaseDistribution:
        """As Optuna has it."""
        from optuna import distributions

        if self.form == "choice":
            return distributions.CategoricalDistribution(self.labels)
        low, high = self.values
        if self.form == "int":
            return distributions.IntDistribution(low, high)
        return distributions.FloatDistribution(low, high, log=self.logarithmic)

    def suggest(self, trial: Trial) -> Any:
        """The value of this key in a trial."""
        if self.form == "choice":
            return self.decoded(trial.suggest_categorical(self.key, self.labels))
        low, high = self.values
        if self.form == "int":
            return trial.suggest_int(self.key, low, high)
        return trial.suggest_float(self.key, low, high, log=self.logarithmic)

    def encoded(self, value: Any) -> Any:
        """A value as the storage keeps it."""
        return label(value) if self.form == "choice" else value

    def decoded(self, stored: Any) -> Any:
        """A value from the storage."""
        return self.values[self.labels.index(stored)] if self.form == "choice" else stored


def dimension(key: str, settings: DimensionSettings) -> Dimension:
    """The dimension of a key.

    Raises:
        ValueError: not exactly one form is given, or its values make no sense.
    """
    given = [form for form in FORMS if getattr(settings, _field(form)) is not None]
    if len(given) != 1:
        came = f"got {' and '.join(given)}" if given else "got none"
        raise ValueError(f"expected exactly one of {', '.join(FORMS)}; {came}")
    form, values = given[0], getattr(settings, _field(given[0]))
    found = Dimension(key, form, tuple(values))
    if form == "choice":
        twice = [text for i, text in enumerate(found.labels) if text in found.labels[:i]]
        if twice:
            raise ValueError(f"the choice {twice[0]} occurs twice")
    elif not values[0] < values[1]:
        raise ValueError(f"expected [low, high] with low < high; got {label(values)}")
    if form == "log_uniform" and not values[0] > 0:
        raise ValueError(f"a logarithmic range needs low > 0; got {label(values)}")
    return found


def grid_size(dimensions: list[Dimension]) -> int:
    """How many combinations a grid has."""
    return math.prod(len(dimension.all_values or ()) for dimension in dimensions)


def label(value: Any) -> str:
    """A value on one line, as JSON, which is YAML too."""
    return json.dumps(value, ensure_ascii=False)


def readable(value: Any) -> str:
    """A value for tables: words without quotes, numbers with four digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return dump_yaml(value, flow=True).strip()
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Each key's shortest end that no other key has: trainer.optimizer.lr → lr."""
    ends = {key: [".".join(key.split(".")[-i:]) for i in range(1, key.count(".") + 2)] for key in keys}
    every = [end for key in keys for end in ends[key]]
    return {key: next((end for end in ends[key] if every.count(end) == 1), key) for key in keys}


def _field(form: Form) -> str:
    return "whole" if form == "int" else form
