"""Every n-th point of a data set's grid: a finer file as the truth of a coarser grid."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from upt_core.errors import DataError
from upt_core.kinds import Dataset
from upt_core.specs import DataSpec
from upt_core.trajectory import Split, Trajectories, Trajectory, place_of


def steps_to(found: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """Along each axis the step from one kept point to the next that leaves ``wanted`` points; None: there is none.

    Points that divide those of the axis are kept from the first on; on an axis whose ends are both points, both are
    kept.
    """
    steps = []
    for has, keeps in zip(found, wanted, strict=True):
        if has == keeps:
            steps.append(1)
        elif keeps > 1 and has % keeps == 0:
            steps.append(has // keeps)
        elif keeps > 1 and (has - 1) % (keeps - 1) == 0:
            steps.append((has - 1) // (keeps - 1))
        else:
            return None
    return tuple(steps)


class Thinned(Dataset):
    """A data set on a part of its grid.

    Args:
        base: the data set.
        steps: from one kept point to the next along each axis, as ``steps_to`` finds them.
    """

    def __init__(self, base: Dataset, steps: tuple[int, ...]) -> None:
        self.base = base
        self.steps = steps

    def spec(self) -> DataSpec:
        """That of the base, with fewer points."""
        spec = self.base.spec()
        return replace(spec, grid_shape=tuple(-(-size // step) for size, step in self._axes(spec)))

    def trajectories(self, split: Split) -> Trajectories:
        """Those of the base, at the points that are kept."""
        return _Kept(self.base.trajectories(split), self._kept())

    def everything(self) -> Trajectories:
        """Those of the base, at the points that are kept."""
        return _Kept(self.base.everything(), self._kept())

    def _axes(self, spec: DataSpec) -> list[tuple[int, int]]:
        assert spec.grid_shape is not None, "scattered points have no axes"
        return list(zip(spec.grid_shape, self.steps, strict=True))

    def _kept(self) -> Tensor:
        """Numbers of the points that are kept, row-major."""
        axes = self._axes(self.base.spec())
        number = torch.zeros((), dtype=torch.int64)
        for size, step in axes:
            number = number.unsqueeze(-1) * size + torch.arange(0, size, step)
        return number.flatten()


class _Kept:
    """Trajectories at some of their points."""

    def __init__(self, base: Trajectories, kept_M: Tensor) -> None:
        self.base = base
        self.kept_M = kept_M

    def __len__(self) -> int:
        return len(self.base)

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        return self.base.num_times(index)

    def place(self, index: int) -> str:
        """Where a trajectory is from."""
        return place_of(self.base, index)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory."""
        whole = self.base.read(index, start, stop)
        if whole.grid_shape is not None:
            raise DataError(
                f"{self.place(index)}: the files have several grids, and only one grid can be thinned; give the files "
                "of one grid"
            )
        return replace(
            whole,
            fields={name: value_TNC[:, self.kept_M] for name, value_TNC in whole.fields.items()},
            coords_NX=whole.coords_NX[self.kept_M],
            measure_N=None if whole.measure_N is None else whole.measure_N[self.kept_M],
        )
