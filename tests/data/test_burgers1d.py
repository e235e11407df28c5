"""burgers1d against the exact Cole-Hopf solution, its cache and its split."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from upt_data.burgers1d import Burgers1d
from upt_data.cache import cached_arrays
from upt_data.initial import evaluate_waves, random_viscosity, random_waves

SMALL = {"num_trajectories": 10, "points": 32, "num_times": 5}


def cole_hopf(amplitude_M: Tensor, phase_M: Tensor, x_N: Tensor, time: float, viscosity: float) -> Tensor:
    """The exact solution by quadrature of the heat kernel over the initial potential, in float64.

    The integrand is smooth and vanishes at the ends, so that the trapezoidal rule converges beyond all powers.
    """
    y = torch.linspace(-2, 3, 20001, dtype=torch.float64)
    wave = 2 * math.pi * torch.arange(1, len(amplitude_M) + 1, dtype=torch.float64).unsqueeze(1)
    potential = (-amplitude_M[:, None] / wave * torch.cos(wave * y + phase_M[:, None])).sum(0)
    distance = x_N.unsqueeze(1) - y
    exponent = -(potential + distance**2 / (2 * time)) / (2 * viscosity)
    return (torch.softmax(exponent, dim=1) * distance / time).sum(1)


@pytest.mark.parametrize(("viscosity", "points"), [(0.01, 256), (0.003, 64)])
def test_values_are_the_exact_solution(viscosity: float, points: int) -> None:
    # measured: 3.3e-8 and 3.0e-8, which is the rounding of float32 storage; the solver itself is at 1e-8
    data = Burgers1d(num_trajectories=6, points=points, num_times=11, final_time=1.0, viscosity=viscosity, seed=3)
    generator = torch.Generator().manual_seed(3)
    amplitude_BM, phase_BM = random_waves(6, 4, generator)
    exact = [
        torch.stack(
            [
                cole_hopf(amplitude_BM[b], phase_BM[b], torch.arange(points) / points, t / 10, viscosity)
                for t in (2, 5, 10)
            ]
        )
        for b in range(6)
    ]
    worst = 0.0
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)
        for index in range(len(trajectories)):
            u = trajectories.read(index, 0, 11).fields["u"][[2, 5, 10], :, 0].double()
            worst = max(worst, min(float((u - e).abs().max()) for e in exact))
    assert worst < 1e-7


def test_a_range_of_viscosities_becomes_the_condition_and_reaches_the_solver() -> None:
    data = Burgers1d(**SMALL, viscosity=(0.005, 0.05), seed=1)
    assert data.spec().condition == ("viscosity",)
    generator = torch.Generator().manual_seed(1)
    amplitude_BM, phase_BM = random_waves(10, 4, generator)
    viscosity_B = random_viscosity((0.005, 0.05), 10, generator)
    trajectories = data.trajectories("train")
    for index in range(len(trajectories)):
        whole = trajectories.read(index, 0, 5)
        b = int((viscosity_B - whole.condition["viscosity"]).abs().argmin())
        x_N = torch.arange(32, dtype=torch.float64) / 32
        exact = cole_hopf(amplitude_BM[b], phase_BM[b], x_N, 1.0, whole.condition["viscosity"])
        assert (whole.fields["u"][4, :, 0] - exact).abs().max() < 1e-7


def test_first_time_step_is_the_initial_condition_within_its_bounds() -> None:
    data = Burgers1d(**SMALL)
    amplitude_BM, phase_BM = random_waves(10, 4, torch.Generator().manual_seed(0))
    initial = evaluate_waves(amplitude_BM, phase_BM, torch.arange(32, dtype=torch.float64).unsqueeze(0) / 32).float()
    assert initial.abs().max() <= 1
    first = data.trajectories("train").read(0, 0, 1)
    assert (first.fields["u"][0, :, 0] - initial).abs().amax(1).min() < 1e-7
    assert first.coords_NX.shape == (32, 1)
    assert first.coords_NX.dtype == first.fields["u"].dtype == torch.float32
    assert first.time_T.tolist() == [0.0]


def test_splits_share_no_trajectory_and_hold_all() -> None:
    data = Burgers1d(**SMALL, valid_fraction=0.2, test_fraction=0.3)
    frames = [
        trajectories.read(index, 0, 1).fields["u"]
        for trajectories in map(data.trajectories, ("train", "valid", "test"))
        for index in range(len(trajectories))
    ]
    assert [len(data.trajectories(split)) for split in ("train", "valid", "test")] == [5, 2, 3]
    assert len({frame.numpy().tobytes() for frame in frames}) == 10


def test_same_seed_same_data_and_the_global_random_state_is_untouched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = torch.random.get_rng_state()
    monkeypatch.setenv("UPT_CACHE", str(tmp_path / "one"))
    first = Burgers1d(**SMALL).trajectories("test").read(0, 0, 5).fields["u"]
    monkeypatch.setenv("UPT_CACHE", str(tmp_path / "two"))
    again = Burgers1d(**SMALL).trajectories("test").read(0, 0, 5).fields["u"]
    other = Burgers1d(**SMALL, seed=1).trajectories("test").read(0, 0, 5).fields["u"]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_cache_is_used_and_a_damaged_file_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UPT_CACHE", str(tmp_path))
    first = Burgers1d(**SMALL).trajectories("test").read(0, 0, 5).fields["u"]
    (path,) = (tmp_path / "burgers1d").iterdir()
    whole = path.read_bytes()
    written = path.stat().st_mtime_ns
    Burgers1d(**SMALL).trajectories("train")
    assert path.stat().st_mtime_ns == written
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damage in (b"", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(damage)
        assert torch.equal(Burgers1d(**SMALL).trajectories("test").read(0, 0, 5).fields["u"], first)
        assert path.read_bytes() == whole


def test_a_generator_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UPT_CACHE", str(tmp_path))
    with pytest.raises(AttributeError):
        cached_arrays("broken", {}, 1, lambda: {"u": torch.zeros(1).unknown})
    assert list((tmp_path / "broken").iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"viscosity": 0.0}, "viscosity must be greater than 0"),
        ({"viscosity": (0.1, 0.01)}, "range needs two rising positive values"),
        ({"viscosity": 1e-6}, "choose a larger viscosity"),
        ({"num_times": 1}, "num_times must be at least 2; got 1"),
        ({"final_time": -1.0}, "final_time must be greater than 0.0; got -1.0"),
        ({"valid_fraction": 1.0}, "valid_fraction must be less than 1.0; got 1.0"),
        ({"valid_fraction": 0.5, "test_fraction": 0.5}, "together leave no data to train on"),
    ],
)
def test_refuses_what_cannot_work(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Burgers1d(**{**SMALL, **wrong})
