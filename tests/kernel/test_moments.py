"""What counts as constant: no more variation than a channel's own rounding, in any unit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from upt_core import DataSpec, FieldSpec, InMemory, Trajectory
from upt_core.data.normalize import Normalization, RunningMoments
from upt_core.data.prepared import Survey

EPS = torch.finfo(torch.float32).eps


def moments(value_M: Tensor) -> RunningMoments:
    found = RunningMoments()
    for part in value_M[:, None].split(500):
        found.add(part)
    return found


def wave(amplitude: float, mean: float) -> Tensor:
    return mean + amplitude * (0.37 * torch.arange(2000, dtype=torch.float64)).sin()


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1.0, 3.0, 1e12, 1e30])
class TestConstant:
    def test_rounding_of_float32_is_no_variation(self, unit: float) -> None:
        noise = torch.randint(0, 2, (2000,), generator=torch.Generator().manual_seed(0)) * 1.2e-7
        assert moments(((1 + noise.double()) * unit).float()).std().tolist() == [1.0]
        assert moments((1 + noise.double()) * unit).std().tolist() == [1.0]  # stored as float64

    def test_rounding_of_float64_is_no_variation(self, unit: float) -> None:
        noise = torch.randint(0, 30, (2000,), generator=torch.Generator().manual_seed(0)) * 1e-17
        assert moments((1 + noise.double()) * unit).std().tolist() == [1.0]

    def test_a_small_wave_on_a_large_mean_is_variation_in_float64(self, unit: float) -> None:
        for amplitude in (0.02, 1e-3):
            std = moments(wave(amplitude, 101325.0) * unit).std()
            assert std.item() == pytest.approx(amplitude * unit / 2**0.5, rel=1e-3)

    def test_a_wave_without_mean_is_variation_whatever_its_size(self, unit: float) -> None:
        assert moments((wave(1.0, 0.0) * unit).float()).std().item() == pytest.approx(unit / 2**0.5, rel=1e-3)

    def test_two_values_are_variation(self, unit: float) -> None:
        mask = torch.arange(2000) % 2
        assert moments(mask.double() * unit).std().item() == pytest.approx(unit / 2)


def test_zeros_are_constant() -> None:
    assert moments(torch.zeros(10)).std().tolist() == [1.0]


def test_how_many_roundings_a_deviation_is() -> None:
    assert moments((wave(0.02, 101325.0)).float()).roundings().item() == pytest.approx(1.2, rel=0.1)
    assert moments(wave(0.02, 101325.0)).roundings().item() > 1e8


def test_rounding_noise_becomes_zero_and_a_wave_keeps_its_digits() -> None:
    fields = (FieldSpec("rho"), FieldSpec("p"))
    data = DataSpec(fields, fields, (1.0,), (False,))
    rho = 3e12 * (1 + EPS * (torch.arange(2000) % 2))
    p = wave(0.02, 101325.0)
    found = RunningMoments()
    found.add(torch.stack([rho.double(), p], dim=-1))
    scale = Normalization(data, found.mean, found.std(), torch.zeros(0), torch.ones(0))
    scaled = scale.targets(torch.stack([rho.double(), p], dim=-1))
    assert scaled.dtype == torch.float32
    assert not scaled[:, 0].any()
    assert len(scaled[:, 1].unique()) > 1900
    assert torch.allclose(scale.to_physical(scaled)[:, 1], p, rtol=0, atol=1e-7)


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("mean", [0.0, 3.0, 7.9, 8.1, 100.0])
def test_a_near_mean_is_centred_in_float32_as_in_float64(mean: float, unit: float) -> None:
    """Values beside the mean, too, where the deviation is 1 up to a rounding of float32."""
    data = DataSpec((FieldSpec("u"),), (FieldSpec("u"),), (1.0,), (False,))
    std = torch.tensor([(1 + 1e-10) * unit], dtype=torch.float64)
    scale = Normalization(data, torch.tensor([(mean + 1e-9) * unit], dtype=torch.float64), std, *torch.zeros(2, 0))
    near = torch.cat([torch.linspace(-1e-5, 1e-5, 101), torch.linspace(-3, 3, 101)]).double()
    value = ((near + mean) * unit).float().unsqueeze(-1)
    exact = (value.double() - scale.mean_C) / scale.std_C
    assert float((scale.targets(value) - exact).abs().max()) < 5e-7 + 2e-7 * 3  # 2e-7: roundings of 3 deviations


def survey_of(p: Tensor) -> Survey:
    fields = (FieldSpec("p"), FieldSpec("rho"))
    data = DataSpec(fields, fields, (1.0,), (False,))
    value_TNC = p.view(20, 100, 1)
    trajectory = Trajectory({"p": value_TNC, "rho": torch.ones(20, 100, 1)}, torch.rand(100, 1), torch.arange(20.0), {})
    return Survey.of(InMemory([trajectory]), data)


def test_digits_that_a_file_has_lost_are_remarked_on() -> None:
    constant = "rho is constant over the training split, up to rounding, so it is shifted but not scaled"
    assert survey_of(wave(0.02, 101325.0)).remarks() == [constant]
    coarse = survey_of(wave(0.02, 101325.0).float()).remarks()
    assert coarse[0].startswith(
        "the standard deviation of p is only 1.2 times the rounding of its largest value, so most digits are lost in "
        "the"
    )
    assert coarse[1:] == [constant]
