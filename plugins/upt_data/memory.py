"""Arrays of many trajectories on the same points, as the trajectories of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from upt_core import InMemory, Trajectory


def on_shared_points(
    fields: Mapping[str, Tensor],
    coords_NX: Tensor,
    time_T: Tensor,
    chosen: Sequence[int],
    condition: Mapping[str, Tensor] | None = None,
) -> InMemory:
    """The chosen trajectories of whole arrays, without copying them.

    Args:
        fields: name → (B, T, N, C) float32; T = 1 where a field does not change in time.
        coords_NX: the points of all trajectories.
        time_T: the times of all trajectories.
        chosen: numbers of the trajectories along B.
        condition: name → one value for each trajectory, (B,).
    """
    return InMemory(
        [
            Trajectory(
                {name: value_BTNC[index] for name, value_BTNC in fields.items()},
                coords_NX,
                time_T,
                {name: float(value_B[index]) for name, value_B in (condition or {}).items()},
            )
            for index in chosen
        ]
    )
