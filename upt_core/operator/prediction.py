"""What an operator answers: fields in physical units, where and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from upt_core.figures import many, number

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prediction(Mapping[str, Any]):
    """Predicted fields by name: ``prediction["u"]``, numpy where numpy came, tensors where tensors came.

    Args:
        fields: name → (samples, times, *points, channels): without samples where one came alone, without times for
            steady problems, without channels for a scalar field. *points is a grid, or (Q,) for a list of points.
        coords: physical coordinates (Q, X), or (samples, Q, X).
        grid_shape: points along each axis where they are a grid.
        times: physical times of the predicted steps (T,), counted from the input where none were given; None for
            steady problems.
        remarks: what is worth knowing: input or points unlike those of training.
    """

    fields: dict[str, Any]
    coords: Array
    grid_shape: tuple[int, ...] | None
    times: Array | None
    remarks: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        """A line for the fields, the points and the times, and one for each remark; the values are in ``fields``."""
        fields = ", ".join(f"{name} {tuple(value.shape)}" for name, value in self.fields.items())
        points = self.coords.shape[-2]
        where = (
            many(points, "point") if self.grid_shape is None else f"a grid of {' x '.join(map(str, self.grid_shape))}"
        )
        said = [fields, where]
        if self.times is not None:
            first, last = number(self.times[0]), number(self.times[-1])
            said.append(f"t = {first}" if len(self.times) == 1 else f"t = {first} to {last}")
        return "\n".join([f"Prediction({'; '.join(said)})", *(f"remark: {text}" for text in self.remarks)])

    def numpy(self) -> dict[str, Array]:
        """The fields as numpy arrays, on the CPU and without gradient."""
        return {name: _array(value) for name, value in self.fields.items()}


def _array(value: Any) -> Array:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
