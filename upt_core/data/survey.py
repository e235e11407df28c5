"""One pass over the training split: what must be known of the data before the model is built."""

from __future__ import annotations

from dataclasses import replace

import torch

from upt_core.data.checks import check_trajectory, place, said
from upt_core.data.moments import RunningMoments
from upt_core.data.normalize import TIME_STEP, Normalization, condition_rows
from upt_core.specs import DataSpec
from upt_core.trajectory import Trajectories, Trajectory

SAME = 1e-3
"""Time steps that differ by less than this fraction count as equal."""


COARSE = 100.0
"""Fewer roundings than this in a deviation are worth a remark: less than two digits are left."""


class Survey:
    """Moments of every field and condition, the smallest and largest time step, the points' bounding box.

    Args:
        trajectories: of the training split; each is read once.
        spec: as the data set declares it.

    Raises:
        DataError: a trajectory cannot be trained on; see ``check_trajectory``.
    """

    def __init__(self, trajectories: Trajectories, spec: DataSpec) -> None:
        self.spec = spec
        self.fields = {field.name: RunningMoments() for field in spec.fields}
        self.names = spec.condition if spec.steady else (*spec.condition, TIME_STEP)
        self.conditions = RunningMoments()
        self.shortest, self.longest = float("inf"), 0.0
        self._low = torch.full((spec.num_axes,), float("inf"), dtype=torch.float64)
        self._high = -self._low
        self._point_sets: set[int] = set()
        for number in said(range(len(trajectories)), "measuring the training split"):
            trajectory = trajectories.read(number, 0, trajectories.num_times(number))
            check_trajectory(trajectory, spec, place(number, "train"))
            self._add(trajectory)

    def _add(self, trajectory: Trajectory) -> None:
        for name, moments in self.fields.items():
            value = trajectory.fields[name]
            moments.add(value.reshape(-1, value.shape[-1]))
        if not self.spec.steady:
            steps = trajectory.time_T.double().diff()
            self.shortest, self.longest = min(self.shortest, float(steps.min())), max(self.longest, float(steps.max()))
        if self.names:
            self.conditions.add(condition_rows(trajectory.condition, trajectory.time_T, self.names, self.spec.steady))
        if trajectory.point_set not in self._point_sets:
            self._point_sets.add(trajectory.point_set)
            coords_NX = trajectory.coords_NX.double()
            self._low = torch.minimum(self._low, coords_NX.amin(0))
            self._high = torch.maximum(self._high, coords_NX.amax(0))

    def remarks(self) -> list[str]:
        """Channels that are constant, and those of which the values' own rounding leaves few digits."""
        found = []
        for field in self.spec.fields:
            moments = self.fields[field.name]
            for channel in range(field.channels):
                name = field.name if field.channels == 1 else f"{field.name}[{channel}]"
                steps = float(moments.roundings()[channel])
                if moments.constant()[channel]:
                    found.append(f"{name} is constant over the training split, up to rounding: it is only shifted")
                elif steps < COARSE:
                    found.append(
                        f"a deviation of {name} is only {steps:.2g} roundings of the largest value: its digits are "
                        f"lost in the file; store float64, or subtract a mean before it is stored"
                    )
        return found

    def data(self) -> DataSpec:
        """The data set's description with its domain, and with the time step as a condition where it varies."""
        extent = torch.tensor(self.spec.extent, dtype=torch.float64)
        origin = self.spec.origin or tuple(((self._low + self._high - extent) / 2).tolist())
        varies = not self.spec.steady and self.longest > self.shortest * (1 + SAME)
        return replace(self.spec, origin=origin, condition=self.names if varies else self.spec.condition)

    def normalization(self) -> Normalization:
        """Scales by the moments."""
        data = self.data()
        kept = len(data.condition)
        return Normalization(
            data,
            torch.cat([moments.mean for moments in self.fields.values()]),
            torch.cat([moments.std() for moments in self.fields.values()]),
            self.conditions.mean[:kept],
            self.conditions.std()[:kept],
        )
