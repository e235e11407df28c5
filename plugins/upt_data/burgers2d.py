"""Vector Burgers equation in two dimensions, exact, on a grid or at scattered points that differ by trajectory."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from upt_core import Dataset, DataSpec, FieldSpec, InMemory, Split, Trajectories, Trajectory
from upt_data.cache import Arrays, cached_arrays
from upt_data.cole_hopf import random_potential, solve_at_points, solve_on_grid
from upt_data.grid import grid_points, unit_axis
from upt_data.initial import check_viscosity, random_viscosity
from upt_data.memory import on_shared_points
from upt_data.splits import Fraction, check_fractions, split_of

GENERATOR_VERSION = 1
SMALLEST_VISCOSITY = 0.008
"""Below, the Cole-Hopf variable spans more than e^20 and float64 loses too many digits."""


class Burgers2d(Dataset):
    """Solves u_t + (u · ∇) u = viscosity · Δu on the unit torus exactly, from random curl-free initial velocities.

    The field ``velocity`` has two channels and stays within 1 in absolute value. A grid has ``points`` × ``points``
    vertices at i / points. With scattered points, each trajectory has its own random points, between ``points_min`` and
    ``points_max`` of them; in a share of the trajectories, half of the points are clustered around one place. If
    ``viscosity`` is a range, each trajectory draws it log-uniformly, and the model gets it as the condition
    ``viscosity``.

    Args:
        layout: grid, or scattered.
        num_trajectories: number of trajectories, all splits together; 64 to 512.
        points: grid points along each axis; not used at scattered points.
        points_min: smallest number of scattered points of a trajectory.
        points_max: largest number of scattered points of a trajectory; equal to points_min for a fixed number.
        clustered: share of the trajectories with clustered points; 0 to 1.
        num_times: time steps, the initial condition included; at least 2.
        final_time: time of the last step; fronts form near 0.2, and at 1 most of the motion has decayed.
        viscosity: 0.008 (sharp fronts) to 0.1 (smooth); or a range [low, high].
        num_waves: plane waves of an initial condition; 2 to 8.
        max_mode: highest wave number of the initial conditions along an axis; 1 to 3.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: seed of the initial conditions, the points, the viscosities and the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
    """

    def __init__(
        self,
        layout: Literal["grid", "scattered"] = "grid",
        num_trajectories: Annotated[int, Field(ge=3)] = 128,
        points: Annotated[int, Field(ge=4)] = 64,
        points_min: Annotated[int, Field(ge=1)] = 400,
        points_max: Annotated[int, Field(ge=1)] = 900,
        clustered: Annotated[float, Field(ge=0, le=1)] = 0.3,
        num_times: Annotated[int, Field(ge=2)] = 11,
        final_time: PositiveFloat = 0.5,
        viscosity: PositiveFloat | tuple[PositiveFloat, PositiveFloat] = 0.01,
        num_waves: Annotated[int, Field(ge=1)] = 4,
        max_mode: Annotated[int, Field(ge=1, le=4)] = 2,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        self.layout = layout
        self.num_trajectories = num_trajectories
        self.points = points
        self.points_min = points_min
        self.points_max = points_max
        self.clustered = clustered
        self.num_times = num_times
        self.final_time = final_time
        self.viscosity = check_viscosity(viscosity)
        self.num_waves = num_waves
        self.max_mode = max_mode
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed
        self.history = history
        self._check()

    def spec(self) -> DataSpec:
        """One vector field ``velocity`` on the unit torus."""
        field = (FieldSpec("velocity", 2),)
        shape = (self.points, self.points) if self.layout == "grid" else None
        condition = () if isinstance(self.viscosity, float) else ("viscosity",)
        return DataSpec(
            field, field, (1.0, 1.0), (True, True), shape, condition, origin=(0.0, 0.0), history=self.history
        )

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """The same initial conditions, solved on so many points along each of two equal axes."""
        fits = self.layout == "grid" and len(grid_shape) == 2 and grid_shape[0] == grid_shape[1]
        return {"points": grid_shape[0]} if fits else None

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split; the first call computes them, or finds them in the cache."""
        arrays = cached_arrays("burgers2d", self._parameters(), GENERATOR_VERSION, self._generate)
        chosen = split_of(self.num_trajectories, split, self.valid_fraction, self.test_fraction, self.seed, "burgers2d")
        condition = {name: torch.from_numpy(arrays[name]) for name in self.spec().condition}
        velocity = torch.from_numpy(arrays["velocity"])
        if self.layout == "grid":
            coords_NX = grid_points([unit_axis(self.points)] * 2)
            return on_shared_points({"velocity": velocity}, coords_NX, self._time_T, chosen, condition)
        pos, ends = torch.from_numpy(arrays["pos"]), arrays["ptr"]
        rows = [slice(int(ends[index]), int(ends[index + 1])) for index in chosen]
        return InMemory(
            [
                Trajectory(
                    {"velocity": velocity[:, row]},
                    pos[row],
                    self._time_T,
                    {name: float(value[index]) for name, value in condition.items()},
                    point_set=index,
                )
                for index, row in zip(chosen, rows, strict=True)
            ]
        )

    @property
    def _time_T(self) -> Tensor:
        return torch.linspace(0, self.final_time, self.num_times, dtype=torch.float64)

    def _check(self) -> None:
        if self.points_max < self.points_min:
            raise ValueError(f"points_max is {self.points_max}, below points_min {self.points_min}; raise it")
        lowest = self.viscosity if isinstance(self.viscosity, float) else self.viscosity[0]
        if lowest < SMALLEST_VISCOSITY:
            raise ValueError(
                f"viscosity {lowest} is too small for the exact solution; use {SMALLEST_VISCOSITY} or more"
            )

    def _parameters(self) -> dict[str, object]:
        names = ["layout", "num_trajectories", "num_times", "final_time", "viscosity", "num_waves", "max_mode", "seed"]
        names += ["points"] if self.layout == "grid" else ["points_min", "points_max", "clustered"]
        return {name: getattr(self, name) for name in names}

    def _generate(self) -> Arrays:
        generator = torch.Generator().manual_seed(self.seed)
        viscosity_B = random_viscosity(self.viscosity, self.num_trajectories, generator)
        potentials = [random_potential(self.num_waves, self.max_mode, generator) for _ in viscosity_B]
        pairs = list(zip(potentials, viscosity_B.tolist(), strict=True))
        arrays: Arrays = {"viscosity": viscosity_B.numpy()}
        if self.layout == "grid":
            solutions = [solve_on_grid(potential, nu, self.points, self._time_T).float() for potential, nu in pairs]
            return arrays | {"velocity": torch.stack(solutions).numpy()}
        clouds = [self._random_points(generator) for _ in pairs]
        solutions = [
            solve_at_points(potential, nu, pos_N2.double(), self._time_T).float()
            for (potential, nu), pos_N2 in zip(pairs, clouds, strict=True)
        ]
        return arrays | {
            "velocity": torch.cat(solutions, dim=1).numpy(),
            "pos": torch.cat(clouds).numpy(),
            "ptr": np.cumsum([0, *map(len, clouds)]),
        }

    def _random_points(self, generator: torch.Generator) -> Tensor:
        """Points of one trajectory in [0, 1)², float32: uniform, or half of them around one place."""
        number, crowd = torch.rand(2, generator=generator).tolist()
        count = self.points_min + math.floor(number * (self.points_max - self.points_min + 1))
        pos_N2 = torch.rand(count, 2, generator=generator)
        if crowd < self.clustered:
            half = count // 2
            centre = torch.rand(2, generator=generator)
            pos_N2[:half] = (centre + 0.08 * torch.randn(half, 2, generator=generator)) % 1.0
        return pos_N2
