"""Viscous Burgers equation in one dimension, solved on first use: shocks form, move, merge and decay."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from upt_core import Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.cache import Arrays, cached_arrays
from upt_data.etdrk4 import resolution, solve_burgers, substeps_for
from upt_data.grid import grid_points, unit_axis
from upt_data.initial import check_viscosity, evaluate_waves, random_viscosity, random_waves
from upt_data.memory import on_shared_points
from upt_data.splits import Fraction, check_fractions, split_of

GENERATOR_VERSION = 1
MOST_POINTS = 2**15


class Burgers1d(Dataset):
    """Solves u_t + (u²/2)_x = viscosity · u_xx on the periodic unit interval, from random sums of sines.

    Initial conditions stay within [-1, 1]. The solver is spectral in space and ETDRK4 in time, float64, on a grid that
    is refined until the steepest possible front is resolved; values differ from the exact solution by about 1e-7. 256
    trajectories take seconds. If ``viscosity`` is a range, each trajectory draws it log-uniformly, and the model gets
    it as the condition ``viscosity``.

    Args:
        num_trajectories: number of trajectories, all splits together; 128 to 1024.
        points: grid points, x = n / points; 64 to 1024.
        num_times: stored time steps, the initial condition included; at least 2.
        final_time: time of the last step; fronts form near 0.2 and have mostly merged at 2.
        viscosity: 0.01 is smooth, 0.003 is sharp on 256 points; or a range [low, high].
        max_mode: highest wave number of the initial conditions; 1 to 8.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: seed of the initial conditions, the viscosities and the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
    """

    def __init__(
        self,
        num_trajectories: Annotated[int, Field(ge=3)] = 256,
        points: Annotated[int, Field(ge=8)] = 256,
        num_times: Annotated[int, Field(ge=2)] = 21,
        final_time: PositiveFloat = 1.0,
        viscosity: PositiveFloat | tuple[PositiveFloat, PositiveFloat] = 0.01,
        max_mode: Annotated[int, Field(ge=1)] = 4,
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
        self.max_mode = max_mode
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed
        self.history = history
        self._check()

    def spec(self) -> DataSpec:
        """One scalar field ``u`` on a periodic grid."""
        field = (FieldSpec("u"),)
        condition = () if isinstance(self.viscosity, float) else ("viscosity",)
        return DataSpec(field, field, (1.0,), (True,), (self.points,), condition, origin=(0.0,), history=self.history)

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """The same initial conditions, solved for so many points."""
        return {"points": grid_shape[0]} if len(grid_shape) == 1 else None

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split; the first call solves the equation, or finds the solution in the cache."""
        arrays = cached_arrays("burgers1d", self._parameters(), GENERATOR_VERSION, self._generate)
        u_BTNC = torch.from_numpy(arrays["u"]).unsqueeze(-1)
        chosen = split_of(len(u_BTNC), split, self.valid_fraction, self.test_fraction, self.seed, "burgers1d")
        time_T = self._interval * torch.arange(self.num_times, dtype=torch.float64)
        condition = {name: torch.from_numpy(arrays[name]) for name in self.spec().condition}
        return on_shared_points({"u": u_BTNC}, grid_points([unit_axis(self.points)]), time_T, chosen, condition)

    @property
    def _interval(self) -> float:
        return self.final_time / (self.num_times - 1)

    @property
    def _refinement(self) -> int:
        """The solver's grid cells for each stored one."""
        viscosity = self.viscosity if isinstance(self.viscosity, float) else self.viscosity[0]
        needed = max(resolution(viscosity, jump=2.0), 4 * self.max_mode)
        factor = 1
        while factor * self.points < needed:
            factor *= 2
        return factor

    def _check(self) -> None:
        if self._refinement * self.points > MOST_POINTS:
            raise ValueError(
                f"viscosity {self.viscosity} needs {self._refinement * self.points} grid points to resolve the fronts, "
                f"more than {MOST_POINTS}; choose a larger viscosity"
            )

    def _parameters(self) -> dict[str, object]:
        names = ("num_trajectories", "points", "num_times", "final_time", "viscosity", "max_mode", "seed")
        return {name: getattr(self, name) for name in names}

    def _generate(self) -> Arrays:
        generator = torch.Generator().manual_seed(self.seed)
        amplitude_BM, phase_BM = random_waves(self.num_trajectories, self.max_mode, generator)
        viscosity_B = random_viscosity(self.viscosity, self.num_trajectories, generator)
        u_BTN = self._solve(amplitude_BM, phase_BM, viscosity_B)
        return {"u": u_BTN.float().numpy(), "viscosity": viscosity_B.numpy()}

    def _solve(self, amplitude_BM: Tensor, phase_BM: Tensor, viscosity_B: Tensor) -> Tensor:
        fine = self.points * self._refinement
        x_1N = torch.arange(fine, dtype=torch.float64).unsqueeze(0) / fine
        initial_BN = evaluate_waves(amplitude_BM, phase_BM, x_1N)
        substeps = substeps_for(fine, 1.0, self._interval)
        u_BTN = solve_burgers(initial_BN, viscosity_B.unsqueeze(1), self._interval, self.num_times, substeps)
        return u_BTN[:, :, :: self._refinement]
