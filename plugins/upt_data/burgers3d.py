"""Vector Burgers equation in three dimensions, exact, on a periodic grid."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from upt_core import Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.cache import Arrays, cached_arrays
from upt_data.cole_hopf import random_potential, solve_on_grid
from upt_data.grid import grid_points, unit_axis
from upt_data.initial import check_viscosity, random_viscosity
from upt_data.memory import on_shared_points
from upt_data.splits import Fraction, check_fractions, split_of

GENERATOR_VERSION = 1
SMALLEST_VISCOSITY = 0.02
"""Below, the Cole-Hopf variable needs more than the 64 modes along each axis that it is given."""


class Burgers3d(Dataset):
    """Solves u_t + (u · ∇) u = viscosity · Δu on the unit torus exactly, from random curl-free initial velocities.

    The field ``velocity`` has three channels and stays within 1 in absolute value, on ``points`` × ``points`` ×
    ``points`` vertices at i / points. If ``viscosity`` is a range, each trajectory draws it log-uniformly, and the
    model gets it as the condition ``viscosity``. 48 trajectories of 24³ points take some 15 seconds on first use.

    Args:
        num_trajectories: number of trajectories, all splits together; 32 to 128.
        points: grid points along each axis; 16 to 64.
        num_times: time steps, the initial condition included; at least 2.
        final_time: time of the last step; fronts form near 0.2, and at 1 most of the motion has decayed.
        viscosity: 0.02 (fronts) to 0.1 (smooth); or a range [low, high].
        num_waves: plane waves of an initial condition; 2 to 8.
        max_mode: highest wave number of the initial conditions along an axis; 1 or 2.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: seed of the initial conditions, the viscosities and the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
    """

    def __init__(
        self,
        num_trajectories: Annotated[int, Field(ge=3)] = 48,
        points: Annotated[int, Field(ge=4)] = 24,
        num_times: Annotated[int, Field(ge=2)] = 11,
        final_time: PositiveFloat = 0.5,
        viscosity: PositiveFloat | tuple[PositiveFloat, PositiveFloat] = 0.02,
        num_waves: Annotated[int, Field(ge=1)] = 4,
        max_mode: Annotated[int, Field(ge=1, le=2)] = 2,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        self.num_trajectories = num_trajectories
        self.points = points
        self.num_times = num_times
        self.final_time = final_time
        self.viscosity = check_viscosity(viscosity)
        self.num_waves = num_waves
        self.max_mode = max_mode
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed
        self.history = history
        lowest = self.viscosity if isinstance(self.viscosity, float) else self.viscosity[0]
        if lowest < SMALLEST_VISCOSITY:
            raise ValueError(
                f"viscosity {lowest} is too small for the exact solution; use {SMALLEST_VISCOSITY} or more"
            )

    def spec(self) -> DataSpec:
        """One vector field ``velocity`` on the unit torus."""
        field = (FieldSpec("velocity", 3),)
        condition = () if isinstance(self.viscosity, float) else ("viscosity",)
        shape, around = (self.points,) * 3, (True,) * 3
        return DataSpec(field, field, (1.0,) * 3, around, shape, condition, origin=(0.0,) * 3, history=self.history)

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """The same initial conditions, solved on so many points along each of three equal axes."""
        return {"points": grid_shape[0]} if len(grid_shape) == 3 and len(set(grid_shape)) == 1 else None

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split; the first call computes them, or finds them in the cache."""
        arrays = cached_arrays("burgers3d", self._parameters(), GENERATOR_VERSION, self._generate)
        chosen = split_of(self.num_trajectories, split, self.valid_fraction, self.test_fraction, self.seed, "burgers3d")
        condition = {name: torch.from_numpy(arrays[name]) for name in self.spec().condition}
        velocity = torch.from_numpy(arrays["velocity"])
        coords_NX = grid_points([unit_axis(self.points)] * 3)
        return on_shared_points({"velocity": velocity}, coords_NX, self._time_T, chosen, condition)

    @property
    def _time_T(self) -> Tensor:
        return torch.linspace(0, self.final_time, self.num_times, dtype=torch.float64)

    def _parameters(self) -> dict[str, object]:
        names = ("num_trajectories", "points", "num_times", "final_time", "viscosity", "num_waves", "max_mode", "seed")
        return {name: getattr(self, name) for name in names}

    def _generate(self) -> Arrays:
        generator = torch.Generator().manual_seed(self.seed)
        viscosity_B = random_viscosity(self.viscosity, self.num_trajectories, generator)
        potentials = [random_potential(self.num_waves, self.max_mode, generator, num_axes=3) for _ in viscosity_B]
        solutions = [
            solve_on_grid(potential, viscosity, self.points, self._time_T).float()
            for potential, viscosity in zip(potentials, viscosity_B.tolist(), strict=True)
        ]
        return {"velocity": torch.stack(solutions).numpy(), "viscosity": viscosity_B.numpy()}
