"""Looks at samples before they are predicted: refuses time steps that cannot be made, notes what is unlike training."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from upt_core.data.training_data import Range
from upt_core.data.windows import Sample
from upt_core.operator import remarks
from upt_core.operator.arrays import check_time_step
from upt_core.operator.operator import Operator


class Watch:
    """Keeps the smallest and largest values of what an operator is given.

    Args:
        operator: what is known of its training data.
        grid_shape: of the data at hand; None: scattered points.
    """

    def __init__(self, operator: Operator, grid_shape: tuple[int, ...] | None = None) -> None:
        self._operator = operator
        self._grid_shape = grid_shape
        self._places: list[str] = []
        self._fields: Tensor | None = None
        self._conditions: Tensor | None = None
        self._points: Range | None = None
        self._box: Tensor | None = None
        self._sets: set[int] = set()

    def see(self, sample: Sample) -> None:
        """Looks at one sample.

        Raises:
            DataError: its time steps are not those that the operator makes.
        """
        data = self._operator.data
        if sample.time_T is not None:
            check_time_step(sample.time_T.diff(), data, self._operator.training)
        self._fields = _extremes(sample.input_NC.reshape(-1, data.frame_channels), self._fields)
        if sample.condition_TP is not None:
            self._conditions = _extremes(sample.condition_TP, self._conditions)
        if sample.point_set not in self._sets:
            self._sets.add(sample.point_set)
            number = float(len(sample.coords_NX))
            low, high = self._points or (number, number)
            self._points = (min(low, number), max(high, number))
            self._box = _extremes(sample.coords_NX, self._box)
            grid = sample.grid_shape or self._grid_shape
            encoder, training = self._operator.model.encoder, self._operator.training
            self._places += remarks.on_place(sample.coords_NX, grid, encoder, data, training)

    def remarks(self) -> Iterator[str]:
        """Where what was seen is unlike what training saw."""
        data, training = self._operator.data, self._operator.training
        if self._fields is not None:
            yield from remarks.on_fields(self._fields, data, training)
        if self._box is not None and self._points is not None:
            most = int(max(self._points, key=lambda number: _outside(number, training.num_points)))
            yield from remarks.on_points(most, self._box, data, training)
        yield from dict.fromkeys(self._places)
        yield from remarks.on_conditions(self._conditions, data, training)


def _outside(number: float, known: tuple[int, int]) -> float:
    return max(known[0] - number, number - known[1])


def _extremes(value_MC: Tensor, before: Tensor | None) -> Tensor:
    """Smallest and largest of each column, (2, C), of these values and those before."""
    found = [value_MC] if before is None else [value_MC.to(before), before]
    both = torch.cat(found)
    return torch.stack([both.amin(0), both.amax(0)]).double()
