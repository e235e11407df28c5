"""How much of space each point stands for: areas or volumes of cells that the user names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from upt_core import DataError
from upt_data.checks import Array
from upt_data.files.content import Content, Values, loaded

LATITUDE = "latitude"
TAKES = "'measure' takes latitude, the name of an array, or an .npy file"


@dataclass(frozen=True)
class Cells:
    """Where the measure of a data set's points is from.

    Args:
        said: an array of the file, or an .npy file, with the area or volume of each point's cell in any unit; or
            ``latitude``: the cells of a grid over a sphere.
    """

    said: str

    @property
    def array(self) -> str | None:
        """The array of the file that holds it; None: none does."""
        return None if self.said == LATITUDE or self.said.endswith(".npy") else self.said

    def of(self, content: Content, number: int) -> Tensor:
        """The areas or volumes around a trajectory's points, (N,) float64.

        Raises:
            DataError: there is none of this name, it has another shape, or holds other than positive numbers and 0;
                or trajectories on the same points have different ones.
        """
        where = f"{content.place.name}, measure {self.said!r}"
        if self.said == LATITUDE:
            return content.on_sphere(number)
        if self.said.endswith(".npy"):
            values = content.placed(loaded(Path(self.said), TAKES), where, number)
        else:
            values = content.extra(self.said, number)
            self._check_shared(content, number, values, where)
        return _checked(values, where)

    def _check_shared(self, content: Content, number: int, values: Values, where: str) -> None:
        """Trajectories on the same points have the same cells."""
        if content.is_shared(self.said):
            return
        for other in range(content.num):
            if other == number or content.point_set(other) != content.point_set(number):
                continue
            if values.tobytes() != content.extra(self.said, other).tobytes():
                raise DataError(
                    f"{where}: trajectories {number} and {other} have the same points and different values; the cell "
                    "around a point must be the same in all trajectories; store one value for each point"
                )


def _checked(values: Values, where: str) -> Tensor:
    """Values (T, N) of a single time as a measure."""
    if len(values) != 1:
        raise DataError(
            f"{where}: has {len(values)} time steps; cells must not change in time; store one value for each point"
        )
    if values.dtype.kind not in "fiu":
        raise DataError(f"{where}: holds {values.dtype}; expected areas or volumes, as numbers")
    measure_N = torch.from_numpy(np.array(values[0], dtype=np.float64))
    if not bool(measure_N.isfinite().all()) or bool((measure_N < 0).any()) or not bool((measure_N > 0).any()):
        low, high = float(measure_N.min()), float(measure_N.max())
        raise DataError(
            f"{where}: goes from {low:g} to {high:g}; expected areas or volumes: finite, none negative, some positive; "
            f"correct the array, or leave 'measure' out"
        )
    return measure_N


def sphere_bands(latitude_J: Array, where: str) -> Tensor:
    """Area of the band around each latitude of a sphere, over that of its surface, (J,) float64.

    A band ends half-way to its neighbours: sin of its upper end minus sin of its lower end, over 2. The first and the
    last are as wide to both sides, and end at the poles at most.

    Args:
        latitude_J: degrees, rising, at least two.

    Raises:
        DataError: latitudes are beyond the poles, or look like radians.
    """
    half = (latitude_J[-1] - latitude_J[0]) / (len(latitude_J) - 1) / 2
    poles = [abs(end - sign * math.pi / 2) <= 1.01 * half for end, sign in ((latitude_J[0], -1), (latitude_J[-1], 1))]
    if all(poles):
        raise DataError(
            f"{where}: latitudes go from {latitude_J[0]:.4g} to {latitude_J[-1]:.4g}, which looks like radians; store "
            f"degrees, or name an array with the area of each cell"
        )
    if abs(latitude_J).max() > 90 + 1e-6:
        raise DataError(
            f"{where}: latitudes go from {latitude_J[0]:g} to {latitude_J[-1]:g}; expected degrees from -90 to 90"
        )
    middle = (latitude_J[1:] + latitude_J[:-1]) / 2
    first, last = 2 * latitude_J[0] - middle[0], 2 * latitude_J[-1] - middle[-1]
    edges = np.radians(np.clip([first, *middle, last], -90, 90))
    return torch.from_numpy(np.diff(np.sin(edges)) / 2)
