"""advection1d: every time step is the shifted initial condition."""

from __future__ import annotations

import pytest
import torch

from upt_data.advection1d import Advection1d


def test_a_shift_by_whole_grid_cells_is_a_roll() -> None:
    data = Advection1d(num_trajectories=8, points=64, num_times=5, final_time=1.0, velocity=-0.25)
    u = data.trajectories("train").read(0, 0, 5).fields["u"][..., 0]
    for time in range(5):
        assert torch.allclose(u[time], u[0].roll(-4 * time), atol=2e-7)  # float32 rounding of values up to 1


def test_a_range_of_velocities_is_the_condition_and_the_motion() -> None:
    data = Advection1d(num_trajectories=8, points=64, num_times=3, final_time=0.1, velocity=(-1.0, 1.0))
    assert data.spec().condition == ("velocity",)
    trajectories = data.trajectories("train")
    velocities = [trajectories.read(i, 0, 1).condition["velocity"] for i in range(len(trajectories))]
    assert len(set(velocities)) == len(velocities)
    assert -1 <= min(velocities) < 0 < max(velocities) <= 1
    wave = 2 * torch.pi * torch.fft.rfftfreq(64, 1 / 64)
    for index, velocity in enumerate(velocities):
        u = trajectories.read(index, 0, 3).fields["u"][..., 0]
        shifted = torch.fft.irfft(torch.fft.rfft(u[0]) * torch.exp(-1j * wave * velocity * 0.1))
        assert (shifted - u[2]).abs().max() < 1e-6


def test_spec_and_split() -> None:
    data = Advection1d(num_trajectories=10, points=16, seed=4)
    spec = data.spec()
    assert (spec.grid_shape, spec.periodic, spec.condition) == ((16,), (True,), ())
    assert [len(data.trajectories(split)) for split in ("train", "valid", "test")] == [8, 1, 1]
    assert data.trajectories("train").read(0, 2, 5).time_T.tolist() == pytest.approx([0.1, 0.15, 0.2])


def test_global_random_state_is_untouched() -> None:
    before = torch.random.get_rng_state()
    Advection1d(num_trajectories=4).trajectories("train")
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"velocity": (1.0, 0.5)}, "velocity is .*; a range needs two rising values"),
        ({"final_time": 0.0}, "final_time must be greater than 0.0; got 0.0"),
        ({"points": 2}, "points must be at least 8; got 2"),
    ],
)
def test_refuses_what_cannot_work(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Advection1d(**wrong)  # type: ignore[arg-type]
