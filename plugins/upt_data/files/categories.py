"""Parameters that are names instead of numbers, as a material or a kind of boundary: one condition for each name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from upt_core import DataError
from upt_data.checks import Array


class Categories:
    """The values that each categorical parameter may have; a value becomes its number among them, then a 1 among 0s.

    Args:
        values: parameter → its values, as text.
    """

    def __init__(self, values: Mapping[str, list[str]] | None = None) -> None:
        self.values = {name: list(found) for name, found in (values or {}).items()}
        for name, found in self.values.items():
            if len(set(found)) != len(found) or len(found) < 2:
                raise ValueError(f"categories: {name!r} has the values {found}; give at least two, each once")

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def number(self, name: str, text: str, where: str) -> float:
        """The number of a value.

        Raises:
            DataError: the parameter has no such value.
        """
        known = self.values[name]
        if text.strip() not in known:
            raise DataError(
                f"{where}: {name!r} is {text.strip()!r}, but 'categories' has {', '.join(known)}; correct one of them "
                "(a model can use only the values that it was trained on)"
            )
        return float(known.index(text.strip()))

    def numbers(self, name: str, values: np.ndarray[Any, Any], where: str) -> Array:
        """The numbers of an array of values, text or whole numbers."""
        flat = [value.decode() if isinstance(value, bytes) else f"{value}" for value in values.reshape(-1).tolist()]
        return np.array([self.number(name, text, where) for text in flat]).reshape(values.shape)

    def conditions(self, name: str) -> tuple[str, ...]:
        """Names of the conditions that a parameter becomes: itself, or NAME=VALUE for each value."""
        return tuple(f"{name}={value}" for value in self.values[name]) if name in self.values else (name,)

    def spread(self, name: str, value: float | Array) -> dict[str, float | Array]:
        """The conditions of a parameter's value: itself, or 1 for its own value and 0 for the others."""
        if name not in self.values:
            return {name: value}
        is_own = [value == number for number in range(len(self.values[name]))]
        ones = [float(own) if isinstance(value, float) else np.asarray(own, dtype=np.float64) for own in is_own]
        return dict(zip(self.conditions(name), ones, strict=True))
