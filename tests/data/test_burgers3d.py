"""burgers3d against an independent pseudo-spectral solver, and against burgers2d where nothing depends on z."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from upt_core import Trajectory
from upt_data.burgers3d import Burgers3d
from upt_data.cole_hopf import Potential, solve_on_grid

SMALL = {"num_trajectories": 4, "num_times": 3}


def spectral_solution(initial_3NNN: Tensor, viscosity: float, time: float, steps: int) -> Tensor:
    """Velocity at ``time``: Fourier in space with 2/3 dealiasing, classical Runge-Kutta in time."""
    size = initial_3NNN.shape[-1]
    wave = 2 * math.pi * torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    waves = [wave.view(-1, 1, 1), wave.view(-1, 1), wave]
    keep = math.prod((one.abs() < 2 * math.pi * size / 3).double() for one in waves)

    def tendency(modes: Tensor) -> Tensor:
        u = torch.fft.ifftn(modes, dim=(1, 2, 3)).real
        slopes = [torch.fft.ifftn(1j * one * modes, dim=(1, 2, 3)).real for one in waves]
        advection = torch.fft.fftn(sum(u[axis] * slope for axis, slope in enumerate(slopes)), dim=(1, 2, 3))
        return -advection * keep - viscosity * sum(one**2 for one in waves) * modes

    modes, h = torch.fft.fftn(initial_3NNN, dim=(1, 2, 3)), time / steps
    for _ in range(steps):
        a = tendency(modes)
        b = tendency(modes + h / 2 * a)
        c = tendency(modes + h / 2 * b)
        modes = modes + h / 6 * (a + 2 * b + 2 * c + tendency(modes + h * c))
    return torch.fft.ifftn(modes, dim=(1, 2, 3)).real


def whole(data: Burgers3d, split: str = "train") -> list[Trajectory]:
    trajectories = data.trajectories(split)  # type: ignore[arg-type]
    return [trajectories.read(i, 0, trajectories.num_times(i)) for i in range(len(trajectories))]


def test_it_solves_the_equation() -> None:
    # measured: 1e-8, the rounding of float32 storage
    frames = whole(Burgers3d(**SMALL, points=32, viscosity=0.05, final_time=0.3, max_mode=1))[0].fields["velocity"]
    first, last = (frames[time].double().T.unflatten(1, (32, 32, 32)) for time in (0, 2))
    assert (spectral_solution(first, 0.05, 0.3, steps=200) - last).abs().max() < 1e-7
    assert (last - first).abs().max() > 0.3


def test_a_flow_that_is_the_same_at_every_z_is_that_of_two_dimensions() -> None:
    plane = Potential(torch.tensor([0.05, 0.03]).double(), torch.tensor([[1.0, 2], [-1, 1]]).double(), torch.ones(2))
    space = Potential(plane.amplitude_M, torch.nn.functional.pad(plane.mode_MX, (0, 1)), plane.phase_M)
    time_T = torch.tensor([0.0, 0.2, 0.5], dtype=torch.float64)
    in_2d, in_3d = (solve_on_grid(one, 0.02, 16, time_T) for one in (plane, space))
    at_a_height = in_3d.unflatten(1, (256, 16))[:, :, 5]
    assert torch.allclose(at_a_height[..., :2], in_2d, rtol=0, atol=1e-10)
    assert at_a_height[..., 2].abs().max() < 1e-10


def test_more_points_are_the_same_flow() -> None:
    coarse, fine = (whole(Burgers3d(**SMALL, points=points, viscosity=(0.02, 0.05)))[0] for points in (8, 16))
    every_second = fine.fields["velocity"].unflatten(1, (16, 16, 16))[:, ::2, ::2, ::2].flatten(1, 3)
    assert torch.allclose(coarse.fields["velocity"], every_second, rtol=0, atol=1e-6)
    assert coarse.condition == fine.condition
    assert list(coarse.condition) == ["viscosity"]
    assert Burgers3d(**SMALL).settings_at((48, 48, 48)) == {"points": 48}
    assert Burgers3d(**SMALL).settings_at((48, 48, 24)) is None


def test_spec_and_bounds() -> None:
    data = Burgers3d(**SMALL, points=8)
    assert (data.spec().grid_shape, data.spec().periodic, data.spec().extent) == ((8,) * 3, (True,) * 3, (1.0,) * 3)
    assert (data.spec().fields[0].name, data.spec().channels, data.spec().condition) == ("velocity", 3, ())
    assert all(one.fields["velocity"].norm(dim=-1).max() <= 1 for one in whole(data))
    assert data._generate()["velocity"].tobytes() == data._generate()["velocity"].tobytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"viscosity": 0.01}, "viscosity 0.01 is too small for the exact solution; use 0.02 or more"),
        ({"viscosity": (0.05, 0.02)}, "range needs two rising positive values"),
        ({"max_mode": 3}, "max_mode must be at most 2; got 3"),
        ({"final_time": 0.0}, "final_time must be greater than 0.0"),
    ],
)
def test_refuses_what_cannot_work(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Burgers3d(**{**SMALL, **wrong})  # type: ignore[arg-type]
