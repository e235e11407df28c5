"""Linear advection in one dimension: waves that move without changing, known exactly at any time."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat

from upt_core import Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.grid import grid_points, unit_axis
from upt_data.initial import evaluate_waves, random_waves
from upt_data.memory import on_shared_points
from upt_data.splits import Fraction, check_fractions, split_of


class Advection1d(Dataset):
    """Solves u_t + velocity · u_x = 0 on the periodic unit interval exactly, from random sums of sines.

    The solution is the shifted initial condition. If ``velocity`` is a range, each trajectory draws its velocity
    uniformly, and the model gets it as the condition ``velocity``. Values stay within [-1, 1]. The data are computed
    quickly, so they are not cached.

    Args:
        num_trajectories: number of trajectories, all splits together; 128 to 1024.
        points: grid points, x = n / points.
        num_times: time steps, the initial condition included; at least 2.
        final_time: time of the last step.
        velocity: distance per time, of either sign; or a range [low, high].
        max_mode: highest wave number of the initial conditions; 1 to 8.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: seed of the initial conditions, the velocities and the split.
        history: time steps that the model sees: the present one and those before it. PDEBench's baselines use 10, The
            Well's 4. Use more than 1 if a single frame does not show the motion.
    """

    def __init__(
        self,
        num_trajectories: Annotated[int, Field(ge=3)] = 256,
        points: Annotated[int, Field(ge=8)] = 128,
        num_times: Annotated[int, Field(ge=2)] = 21,
        final_time: PositiveFloat = 1.0,
        velocity: float | tuple[float, float] = 0.4,
        max_mode: Annotated[int, Field(ge=1)] = 4,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        history: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        if not isinstance(velocity, (int, float)) and (len(velocity) != 2 or not velocity[0] < velocity[1]):
            raise ValueError(f"velocity is {list(velocity)}; a range needs two rising values, for example [-0.5, 0.5]")
        self.num_trajectories = num_trajectories
        self.points = points
        self.num_times = num_times
        self.final_time = final_time
        self.velocity = velocity
        self.max_mode = max_mode
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed
        self.history = history

    def spec(self) -> DataSpec:
        """One scalar field ``u`` on a periodic grid."""
        field = (FieldSpec("u"),)
        condition = () if isinstance(self.velocity, (int, float)) else ("velocity",)
        return DataSpec(field, field, (1.0,), (True,), (self.points,), condition, origin=(0.0,), history=self.history)

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """The same initial conditions, solved for so many points."""
        return {"points": grid_shape[0]} if len(grid_shape) == 1 else None

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split, made now."""
        generator = torch.Generator().manual_seed(self.seed)
        amplitude_BM, phase_BM = random_waves(self.num_trajectories, self.max_mode, generator)
        low, high = (self.velocity,) * 2 if isinstance(self.velocity, (int, float)) else self.velocity
        velocity_B = low + (high - low) * torch.rand(self.num_trajectories, generator=generator, dtype=torch.float64)
        time_T = torch.linspace(0, self.final_time, self.num_times, dtype=torch.float64)
        x_N = torch.from_numpy(unit_axis(self.points))
        frames = [evaluate_waves(amplitude_BM, phase_BM, x_N - velocity_B[:, None] * time) for time in time_T]
        u_BTNC = torch.stack(frames, dim=1).unsqueeze(-1).float()
        chosen = split_of(len(u_BTNC), split, self.valid_fraction, self.test_fraction, self.seed, "advection1d")
        condition = dict.fromkeys(self.spec().condition, velocity_B)
        return on_shared_points({"u": u_BTNC}, grid_points([x_N.numpy()]), time_T, chosen, condition)
