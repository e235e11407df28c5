"""What a data set gives: trajectories in physical units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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
    """The trajectories of one split. ``read`` may be lazy: it is asked only for the time steps that are needed.

    An attribute ``held`` that is true says that all values are in memory, so that a file may change under a run.
    """

    def __len__(self) -> int: ...

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        ...

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory; fields that are constant in time come with T = 1."""
        ...


@runtime_checkable
class Held(Protocol):
    """Trajectories that know whether they read files again; those that do not say it are taken to."""

    @property
    def held(self) -> bool:
        """Whether all values are in memory, so that a file may change and training goes on with what it held."""
        ...


def are_held(trajectories: Trajectories) -> bool:
    """Whether all values of trajectories are in memory."""
    return isinstance(trajectories, Held) and trajectories.held


class Chain:
    """Several lists of trajectories as one."""

    def __init__(self, parts: Sequence[Trajectories]) -> None:
        self._places = [(part, index) for part in parts for index in range(len(part))]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def held(self) -> bool:
        """Whether those of every part are in memory."""
        return all(are_held(part) for part, _ in self._places)

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        part, own = self._places[index]
        return part.num_times(own)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory."""
        part, own = self._places[index]
        return part.read(own, start, stop)
