"""Windows of several trajectories read at once: what a batch is made of without a step for each of its samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Window = tuple[int, int, int]
"""A trajectory by its number, and its time steps: from the second number to before the third."""


@dataclass(frozen=True)
class StackedWindows:
    """Windows of one length, on the same points, in physical units: row b of each tensor is of window b.

    Every value is that which ``Trajectories.read`` gives for the window, bit for bit.

    Args:
        fields: name → (B, T, N, C) floats. A field that does not change in time has T = 1.
        coords_NX: physical coordinates of the points, of all windows.
        time_BT: physical times of the steps.
        condition: conditioning values by name, (B,), or (B, T) where they change in time; float64.
        point_set: which point set this is, as in ``Trajectory``.
        measure_N: as in ``Trajectory``.
        grid_shape: as in ``Trajectory``.
    """

    fields: Mapping[str, Tensor]
    coords_NX: Tensor
    time_BT: Tensor
    condition: Mapping[str, Tensor]
    point_set: int = 0
    measure_N: Tensor | None = None
    grid_shape: tuple[int, ...] | None = None

    @staticmethod
    def rows(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor] | None:
        """Fields (T, N, C) of several windows as rows of (B, T, N, C); None where names, shapes or types differ."""
        first = rows[0]
        for row in rows:
            if row is not first and (row.keys() != first.keys() or any(_differ(row[n], first[n]) for n in first)):
                return None
        return {name: torch.stack([row[name] for row in rows]) for name in first}

    @staticmethod
    def conditions(rows: Sequence[Mapping[str, float | Tensor]]) -> dict[str, Tensor] | None:
        """Conditioning values of several windows, numbers or (T,), as (B,) or (B, T); None where some are of one kind
        and some of the other."""
        found = {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            if all(isinstance(value, int | float) for value in values):
                found[name] = torch.tensor(values, dtype=torch.float64)
                continue
            tensors = [value.double() for value in values if isinstance(value, Tensor)]
            if len(tensors) < len(values) or any(value.shape != tensors[0].shape for value in tensors):
                return None
            found[name] = torch.stack(tensors)
        return found


def read_many(trajectories: object, windows: Sequence[Window]) -> StackedWindows | None:
    """Several windows of one length at once, by the method ``read_many(windows)`` of trajectories that have it.

    None where they do not, where windows are not alike, or where one cannot be read: they are read one by one then,
    which pads points of different number, and says what is wrong, and where.
    """
    reads: Callable[[Sequence[Window]], StackedWindows | None] | None = getattr(trajectories, "read_many", None)
    return None if reads is None else reads(windows)


def _differ(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or one.dtype != other.dtype
