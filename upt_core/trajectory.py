"""What a data set gives: trajectories in physical units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """One simulation, or a window of it, in physical units.

    Args:
        fields: name → (T, N, C) floats. A field that does not change in time has T = 1.
        coords_NX: physical coordinates of the points, row-major for a grid.
        time_T: physical times of the steps.
        condition: conditioning values by name, as in ``DataSpec.condition``: a number, or numbers (T,) that change in
            time (what holds from step t to t + 1 is the value at t). The time step is added by upt.
        point_set: which point set this is; trajectories with equal numbers share their coordinates and their measure.
        measure_N: area or volume of the cell around each point, ≥ 0, in any unit; None: each point counts the same.
            ``grid_measure`` and ``node_measure`` find it for grids and meshes.
    """

    fields: dict[str, Tensor]
    coords_NX: Tensor
    time_T: Tensor
    condition: Mapping[str, float | Tensor]
    point_set: int = 0
    measure_N: Tensor | None = None


class Trajectories(Protocol):
    """The trajectories of one split. ``read`` may be lazy: it is asked only for the time steps that are needed."""

    def __len__(self) -> int: ...

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        ...

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory; fields that are constant in time come with T = 1."""
        ...


class Chain:
    """Several lists of trajectories as one."""

    def __init__(self, parts: Sequence[Trajectories]) -> None:
        self._places = [(part, index) for part in parts for index in range(len(part))]

    def __len__(self) -> int:
        return len(self._places)

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        part, own = self._places[index]
        return part.num_times(own)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory."""
        part, own = self._places[index]
        return part.read(own, start, stop)
