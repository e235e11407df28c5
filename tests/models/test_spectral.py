"""The spectral approximator: its transforms against FFTs, its symmetries, its conditions."""

from __future__ import annotations

import pytest
import torch
from scipy.fft import dct

from upt_core import LatentSpec
from upt_models.convolution import Convolution
from upt_models.spectral import Spectral
from upt_models.spectral_mixing import SpectralMixing


def as_identity(mixing: SpectralMixing) -> SpectralMixing:
    with torch.no_grad():
        mixing.weight.zero_()
        mixing.weight[0].copy_(torch.eye(mixing.weight.shape[-1]))
    return mixing


@pytest.mark.parametrize(
    "periodic", [(True,), (False,), (True, False), (False, True), (True, True), (True, False, True)]
)
@pytest.mark.parametrize("shape", [(6, 4, 8), (5, 7, 3)])
def test_all_modes_times_one_are_the_tokens_themselves(periodic, shape):
    shape = shape[: len(periodic)]
    mixing = as_identity(SpectralMixing(shape, periodic, 3, 3, [99] * len(shape)))
    x_BVD = torch.randn(2, *shape, 3)
    torch.testing.assert_close(mixing(x_BVD), x_BVD, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(12,), (8, 6), (6, 4, 8)])
def test_on_periodic_axes_it_is_a_truncated_convolution_by_ffts(shape):
    axes, modes = tuple(range(1, len(shape) + 1)), [3, 2, 3][: len(shape)]
    mixing = SpectralMixing(shape, (True,) * len(shape), 2, 4, modes)
    x_BVD = torch.randn(3, *shape, 2)
    transformed = torch.fft.rfftn(x_BVD, dim=axes)
    answer = torch.zeros(*transformed.shape[:-1], 4, dtype=torch.complex64)
    waves = [torch.arange(1 - m, m) for m in modes[:-1]] + [torch.arange(modes[-1])]
    weight_KDH = torch.complex(*mixing.weight.detach())
    for number, wave in enumerate(torch.cartesian_prod(*waves).view(-1, len(shape)).tolist()):
        at = (slice(None), *wave)
        answer[at] = transformed[at] @ weight_KDH[number]
    torch.testing.assert_close(mixing(x_BVD), torch.fft.irfftn(answer, s=shape, dim=axes), atol=1e-5, rtol=1e-4)


def test_on_open_axes_modes_are_those_of_the_cosine_transform():
    mixing = SpectralMixing((9,), (False,), 1, 1, [4])
    x_BVD = torch.randn(1, 9, 1)
    expected = torch.from_numpy(dct(x_BVD[0, :, 0].numpy(), type=2)[:4]) / 2 / 3  # scipy's is twice the sum; 3 is √9
    modes_BRVD = mixing._modes(x_BVD)
    torch.testing.assert_close(modes_BRVD[0, 0, :, 0], expected)
    assert not modes_BRVD[0, 1].any()


def test_open_axes_can_shift_what_they_transport():
    """A mirrored axis with real weights alone would be blind to direction: a step to the right must be learnable."""
    mixing = SpectralMixing((32,), (False,), 1, 1, [16])
    place = (torch.arange(32) + 0.5) / 32
    centre_B = torch.rand(64, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.25
    bump = torch.exp(-(((place - centre_B[:, None]) / 0.08) ** 2)).unsqueeze(-1)
    moved = torch.exp(-(((place - centre_B[:, None] - 0.1) / 0.08) ** 2)).unsqueeze(-1)
    optimizer = torch.optim.Adam(mixing.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (mixing(bump) - moved).square().mean() / moved.square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.01


@pytest.mark.parametrize("approximator", [Spectral, Convolution])
def test_without_positions_it_commutes_with_shifts(approximator, make_spec):
    spec, latent = make_spec((16, 16), (True, True), condition=()), LatentSpec.on_lattice((8, 4), 6)
    part = approximator(spec, latent)
    assert part.positions_VD is None
    latent_BLD = torch.randn(2, 32, 6)
    moved_BLD = latent_BLD.view(2, 8, 4, 6).roll((3, 1), (1, 2)).view(2, 32, 6)
    expected = part(latent_BLD, None).view(2, 8, 4, 6).roll((3, 1), (1, 2)).view(2, 32, 6)
    torch.testing.assert_close(part(moved_BLD, None), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("approximator", [Spectral, Convolution])
def test_tokens_of_open_axes_have_learned_positions(approximator, make_spec):
    latent = LatentSpec.on_lattice((4, 4), 6)
    assert approximator(make_spec((8, 8), (True, False)), latent).positions_VD.shape == (4, 4, 32)
    assert approximator(make_spec((8, 8), (True, False)), latent, positions=False).positions_VD is None
    assert approximator(make_spec((8, 8), (True, True)), latent, positions=True).positions_VD is not None


def test_amplitudes_are_not_normalised_away(make_spec):
    part = Spectral(make_spec((8, 8), condition=()), LatentSpec.on_lattice((4, 4), 6))
    small_BLD = torch.randn(1, 16, 6)
    assert part(10 * small_BLD, None).norm() > 5 * part(small_BLD, None).norm()


@pytest.mark.parametrize("approximator", [Spectral, Convolution])
def test_a_condition_starts_without_effect_and_has_one_later(approximator, make_spec):
    part = approximator(make_spec((8, 8)), LatentSpec.on_lattice((4, 4), 6))
    latent_BLD, condition_BP = torch.randn(2, 16, 6), torch.rand(2, 1)
    torch.testing.assert_close(part(latent_BLD, condition_BP), part(latent_BLD, condition_BP + 1))
    torch.nn.init.normal_(part.blocks[0].modulation.weight)
    assert (part(latent_BLD, condition_BP) - part(latent_BLD, condition_BP + 1)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["spectral", "convolution"])
def test_missing_conditions_are_named(name, make_spec):
    part = {"spectral": Spectral, "convolution": Convolution}[name](make_spec((8, 8)), LatentSpec.on_lattice((4, 4), 6))
    message = f"approximator '{name}' was built for the conditioning values time_step, but was given 0; give all"
    with pytest.raises(ValueError, match=message):
        part(torch.randn(2, 16, 6), None)


def test_a_convolution_hears_no_further_than_its_depth(make_spec):
    part = Convolution(make_spec((16,), (True,), condition=()), LatentSpec.on_lattice((16,), 4), depth=2)
    latent_BLD = torch.randn(1, 16, 4, requires_grad=True)
    part(latent_BLD, None)[0, 8].sum().backward()
    assert latent_BLD.grad.abs().sum(dim=(0, 2)).nonzero().flatten().tolist() == [5, 6, 7, 8, 9, 10, 11]
