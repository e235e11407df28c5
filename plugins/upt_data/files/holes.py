"""Holes of a domain: points without values, as land in an ocean. They are left out of all that follows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor, from_numpy

from upt_core import DataError
from upt_data.checks import Array
from upt_data.files.content import Content, Values, loaded

Bools = npt.NDArray[np.bool_]
NAN = "nan"
NOT = "not "
TAKES = "'holes' takes nan, the name of an array, or an .npy file"


@dataclass(frozen=True)
class Holes:
    """Where a trajectory has holes.

    Args:
        mask: an array of the file, or an .npy file; ``nan``: the values themselves say it.
        of_values: the mask is true where there are values, not where there are holes.
    """

    mask: str
    of_values: bool

    @classmethod
    def said(cls, text: str) -> Holes:
        """What a user says: ``nan``, NAME or FILE.npy, true at holes; ``not NAME``, true at values."""
        name = text.removeprefix(NOT).strip()
        return cls(name, name != text.strip())

    @property
    def array(self) -> str | None:
        """The array of the file that says it; None: none does."""
        return None if self.mask == NAN or self.mask.endswith(".npy") else self.mask

    def of(self, content: Content, number: int) -> Bools:
        """For each point of a trajectory, whether it is a hole, (N,); at a single time step is enough.

        Raises:
            DataError: the mask is missing, of another shape, or no mask.
        """
        if self.mask == NAN:
            return _without_values(content, number)
        where = f"{content.place.name}, trajectory {number}, mask {self.mask!r}"
        if self.mask.endswith(".npy"):
            value_TN = content.placed(loaded(Path(self.mask), TAKES), where, number)
        else:
            value_TN = content.extra(self.mask, number)
        if value_TN.dtype.kind not in "biuf" or not bool(np.isfinite(value_TN).all()):
            raise DataError(f"{where}: expected true and false, or numbers; correct 'holes'")
        return np.asarray((value_TN == 0 if self.of_values else value_TN != 0).any(axis=0))


class Perforated(Content):
    """Trajectories whose holes are left out: the other points, as scattered points.

    Nothing after it meets a hole: statistics, samplers, losses, metrics and encoders see the points that have values.

    Args:
        whole: with the holes.
        holes: where they are.
    """

    def __init__(self, whole: Content, holes: Holes) -> None:
        super().__init__(whole.place, whole.num, whole.channels, whole.steady)
        self.whole = whole
        self._holes = holes
        self._first: dict[tuple[int, bytes], int] = {}
        self._kept: dict[int, Bools] = {}
        self._sets: dict[int, int] = {}

    def components(self, field: str) -> tuple[str, ...]:
        """As with the holes."""
        return self.whole.components(field)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """As with the holes."""
        return self.whole.axis_names

    def times(self, number: int) -> Array:
        """As with the holes."""
        return self.whole.times(number)

    def points(self, number: int) -> Tensor:
        """The points that have values."""
        return self.whole.points(number)[from_numpy(self._values_at(number))]

    def measure(self, number: int) -> Tensor | None:
        """Areas of the cells of the points that have values."""
        measure_N = self.whole.measure(number)
        return None if measure_N is None else measure_N[from_numpy(self._values_at(number))]

    def num_points(self, number: int) -> int:
        """Points that have values."""
        return int(self._values_at(number).sum())

    def read(self, field: str, number: int, steps: slice) -> Values:
        """Steps of a field at the points that have values."""
        return self.whole.read(field, number, steps)[:, self._values_at(number)]

    def read_many(self, field: str, windows: Sequence[tuple[int, slice]]) -> Values:
        """Steps of a field of several trajectories that have the same holes."""
        return self.whole.read_many(field, windows)[:, :, self._values_at(windows[0][0])]

    def extra(self, name: str, number: int) -> Values:
        """An array of the file that is no field, at the points that have values."""
        return self.whole.extra(name, number)[:, self._values_at(number)]

    def placed(self, values: Values, where: str, number: int) -> Values:
        """Values of an array from elsewhere at the points that have values."""
        return self.whole.placed(values, where, number)[:, self._values_at(number)]

    def is_shared(self, name: str) -> bool:
        """As with the holes."""
        return self.whole.is_shared(name)

    @property
    def latitude(self) -> str | None:
        """As with the holes."""
        return self.whole.latitude

    def on_sphere(self, number: int) -> Tensor:
        """Areas of the cells of the points that have values."""
        return self.whole.on_sphere(number)[from_numpy(self._values_at(number))]

    def point_set(self, number: int) -> int:
        """That of the first trajectory with the same points and holes."""
        self._values_at(number)
        return self._sets[number]

    @property
    def num_point_sets(self) -> int:
        """As many as trajectories, at most."""
        return self.num

    def parameter(self, number: int, name: str) -> float | Array | None:
        """As with the holes."""
        return self.whole.parameter(number, name)

    @property
    def parameters(self) -> tuple[str, ...]:
        """As with the holes."""
        return self.whole.parameters

    def parts(self, field: str) -> str:
        """As with the holes."""
        return self.whole.parts(field)

    def cure(self) -> str:
        """Holes do not move."""
        return (
            "a hole must keep its place during a trajectory: name in 'holes' an array or .npy file that marks every "
            "point without a value at any time, or end the trajectory before this time step"
        )

    def remarks(self) -> list[str]:
        """How many points are left."""
        left, total = self.num_points(0), self.whole.num_points(0)
        text = (
            f"{self.place.name}: {total - left} of the {total} points of its first trajectory are holes and are "
            "left out"
        )
        return [*self.whole.remarks(), f"{text}; the others are scattered points"]

    def _values_at(self, number: int) -> Bools:
        """For each point whether it has values; kept once for trajectories with the same holes."""
        if number not in self._sets:
            values_N = ~self._holes.of(self.whole, number)
            if not values_N.any():
                raise DataError(
                    f"{self.place.name}, trajectory {number}: every point is a hole; remove the trajectory, or "
                    "correct 'holes' (write 'not NAME' for a mask that is true where there are values)"
                )
            digest = hashlib.blake2b(np.packbits(values_N).tobytes(), digest_size=16).digest()
            first = self._first.setdefault((self.whole.point_set(number), digest), number)
            self._kept.setdefault(first, values_N)
            self._sets[number] = first
        return self._kept[self._sets[number]]


def _without_values(content: Content, number: int) -> Bools:
    """For each point, whether a field is NaN there at the first time step."""
    found = np.zeros(content.num_points(number), dtype=bool)
    for field in content.channels:
        value_TNC = content.read(field, number, slice(0, 1))
        if value_TNC.dtype.kind == "f":
            found |= np.isnan(value_TNC).any(axis=(0, 2))
    return found
