"""What a reader understood of one file: how many trajectories, which fields, where and when; values come when asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from upt_core import DataError
from upt_data.checks import Array
from upt_data.files.paths import Place

Values = npt.NDArray[np.generic]


class Content(ABC):
    """The trajectories of one file (or of one group in it), on a grid or at scattered points.

    Args:
        place: the file.
        num: number of trajectories.
        channels: field → number of channels.
        steady: whether there is no time.
    """

    def __init__(self, place: Place, num: int, channels: dict[str, int], steady: bool) -> None:
        self.place = place
        self.num = num
        self.channels = channels
        self.steady = steady

    @abstractmethod
    def times(self, number: int) -> Array:
        """Times of a trajectory's steps in the file, rising; a single 0 where there is no time."""

    @abstractmethod
    def points(self, number: int) -> Tensor:
        """coords_NX of a trajectory, as ``places`` gives them."""

    def measure(self, number: int) -> Tensor | None:
        """Areas or volumes of the cells around the points of a trajectory, (N,); None where each counts the same."""
        return None

    @property
    def grid_shape(self) -> tuple[int, ...] | None:
        """Points along each axis of a regular grid; None: scattered points."""
        return None

    @abstractmethod
    def num_points(self, number: int) -> int:
        """How many points a trajectory has; read from headers."""

    @abstractmethod
    def read(self, field: str, number: int, steps: slice) -> Values:
        """Steps of a field of a trajectory, (T, N, C) of any real type; T = 1 where it is constant in time.

        Args:
            field: one of ``channels``.
            number: of the trajectory in the file.
            steps: rising, with a positive stride, within ``times``.
        """

    def read_many(self, field: str, windows: Sequence[tuple[int, slice]]) -> Values:
        """Steps of a field of several trajectories, (B, T, N, C); those on the same points, of as many steps.

        Args:
            field: one of ``channels``.
            windows: trajectories and their steps, as in ``read``.
        """
        return np.stack([self.read(field, number, steps) for number, steps in windows])

    def point_set(self, number: int) -> int:
        """Which of ``num_point_sets`` point sets a trajectory has."""
        return 0

    @property
    def num_point_sets(self) -> int:
        """How many point sets the file has; 0: the same one as every other file of the data set."""
        return 0

    def parameter(self, number: int, name: str) -> float | Array | None:
        """A number that the file says of a trajectory, as its viscosity, or numbers for each of its times, (T,).

        None where it says none of this name.
        """
        return None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that become conditions where the user names none."""
        return ()

    def parts(self, field: str) -> str:
        """The arrays that a field is read from, for messages."""
        return repr(field)

    def extra(self, name: str, number: int) -> Values:
        """An array of the file that is no field, at the points of a trajectory, (T, N); T = 1 where it is constant.

        Raises:
            DataError: there is none of this name, or it does not fit.
        """
        raise DataError(
            f"{self.place.name}: {name!r} cannot be read from files of this format; name an .npy file with one value "
            "for each point"
        )

    def is_shared(self, name: str) -> bool:
        """Whether ``extra`` gives all trajectories the same for this name, by the array's shape; False: not known."""
        return False

    def components(self, field: str) -> tuple[str, ...]:
        """Names of the components of a vector field that has an array for each; empty: not known."""
        return ()

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes; empty: not known."""
        return ()

    @property
    def latitude(self) -> str | None:
        """The axis of latitudes of a grid over a sphere; None: there is none."""
        return None

    def on_sphere(self, number: int) -> Tensor:
        """Areas of the cells around the points of a trajectory, on a grid over a sphere, (N,).

        Raises:
            DataError: the points are not on such a grid.
        """
        raise DataError(
            f"{self.place.name}: measure: latitude needs a grid with an axis of latitudes, which files of this format "
            "do not have; name an .npy file with the area of each cell"
        )

    def placed(self, values: Values, where: str, number: int) -> Values:
        """Values of an array from elsewhere at the points of a trajectory, (T, N); T = 1.

        Args:
            values: one for each point.
            where: it comes from.
            number: of the trajectory.

        Raises:
            DataError: they are not as many.
        """
        if values.shape != (self.num_points(number),):
            raise DataError(f"{where}: shape {values.shape}; expected ({self.num_points(number)},), one for each point")
        return values[None]

    def cure(self) -> str:
        """What to do about values that are not finite."""
        return (
            "remove the trajectory from the file, end it before this time step, or, if NaN marks holes in the domain, "
            "set holes: nan"
        )

    def remarks(self) -> list[str]:
        """What was decided for the user and is worth knowing; one sentence each."""
        return []


def loaded(path: Path, takes: str) -> Values:
    """The array of an .npy file.

    Args:
        takes: what the setting that names it takes, for messages.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return np.asarray(np.load(path.expanduser(), allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an array ({error}); {takes}") from error


def of_trajectory(values: Array | None, number: int) -> float | Array | None:
    """The parameter of a trajectory, of (trajectories,) or (trajectories, T), or of (1,) or (1, T) for all of them."""
    if values is None:
        return None
    own = values[number if len(values) > 1 else 0]
    return float(own) if values.ndim == 1 else own


def end_of(content: Content, fields: Sequence[str], number: int, most: int) -> int:
    """How many of ``most`` time steps a trajectory has: those at its end that hold only NaN are none.

    Looks at the last time step of each field, and further back only where that is NaN.

    Raises:
        DataError: every value is NaN.
    """
    longest = max((_end(content, field, number, most) for field in fields), default=most)
    if longest == 0:
        raise DataError(f"{content.place.name}, trajectory {number}: every value is NaN; remove this trajectory")
    return longest


def _end(content: Content, field: str, number: int, most: int) -> int:
    for length in range(most, 0, -1):
        value = content.read(field, number, slice(length - 1, length))
        if value.dtype.kind != "f" or not bool(np.isnan(value).all()):
            return length
    return 0
