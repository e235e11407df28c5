"""The encoder of scattered points on a lattice: what it fits exactly, what it hears, what it does not listen to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from upt_core import DataSpec, FieldSpec, LatentSpec, Points
from upt_models import fit_sums
from upt_models.fit_sums import FitSums
from upt_models.lattice_encoder import LatticeEncoder
from upt_models.local_fit import REACH, LocalFits, num_polynomials, polynomials


def spec(axes: int, periodic: bool = False, channels: int = 1) -> DataSpec:
    field = (FieldSpec("u", channels),)
    return DataSpec(field, field, (1.0,) * axes, (periodic,) * axes)


LATTICES = {1: (6,), 2: (5, 4), 3: (3, 4, 3)}


def quadratic(coords: torch.Tensor) -> torch.Tensor:
    total = coords.sum(dim=-1, keepdim=True)
    return 1 + total - 2 * total.square() + coords[..., :1] ** 2


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_quadratic_field_is_fitted_exactly_wherever_the_points_are(axes):
    """Without the pull of the ridge; with it the coefficients are off by about a hundredth of a point in many."""
    lattice = LATTICES[axes]
    points = Points(torch.rand(2, 3000, axes, generator=torch.Generator().manual_seed(0)))
    fit_BLPC = LocalFits(lattice, (False,) * axes, 2).fit(quadratic(points.coords_BNX), points)
    centres = torch.cartesian_prod(*[(torch.arange(n) + 0.5) / n for n in lattice]).view(1, -1, axes)
    at_centre_1P1 = polynomials(torch.zeros(1, 1, axes), 2).view(1, 1, -1, 1)
    found = (fit_BLPC * at_centre_1P1).sum(dim=2)
    torch.testing.assert_close(found, quadratic(centres).expand(2, -1, -1), atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize(("axes", "degree", "count"), [(1, 2, 3), (2, 2, 6), (3, 2, 10), (2, 3, 10), (2, 0, 1)])
def test_polynomials_are_complete_up_to_their_degree_and_orthogonal(axes, degree, count):
    assert num_polynomials(axes, degree) == count
    node = torch.linspace(-1, 1, 61, dtype=torch.float64)[1::2]  # the middles of 30 stretches
    place = torch.cartesian_prod(*[node] * axes).view(1, -1, axes)
    value_NP = polynomials(place, degree)[0]
    gram_PP = value_NP.mT @ value_NP / len(value_NP)
    off_diagonal = gram_PP - gram_PP.diag().diag()
    assert off_diagonal.abs().max() < 0.02
    assert torch.linalg.matrix_rank(value_NP) == count


def test_every_point_is_heard():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((6, 6), 8))
    points = Points(torch.rand(1, 500, 2, generator=torch.Generator().manual_seed(0)))
    field_BNC = torch.randn(1, 500, 1, requires_grad=True)
    encoder(field_BNC, points).square().sum().backward()
    assert (field_BNC.grad != 0).all()


def test_a_point_speaks_to_the_tokens_near_to_it_alone():
    points = Points(torch.tensor([[[0.51]]]))
    fit_BLPC = LocalFits((10,), (False,), 1).fit(torch.ones(1, 1, 1), points)
    heard = fit_BLPC[0, :, 0, 0].abs() > 1e-6
    assert heard.nonzero().flatten().tolist() == [4, 5, 6]  # the point lies at 5.1 of 10, 4.6 token spacings after 0
    assert REACH == 1.5


def test_it_is_linear_in_the_fields_up_to_a_constant_of_the_points():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8))
    points = Points(torch.rand(2, 200, 2))
    first, second = torch.randn(2, 200, 1), torch.randn(2, 200, 1)
    middle = encoder((first + second) / 2, points)
    torch.testing.assert_close(middle, (encoder(first, points) + encoder(second, points)) / 2, atol=1e-5, rtol=1e-4)


def test_more_points_of_the_same_field_give_nearly_the_same_latent():
    encoder = LatticeEncoder(spec(2, periodic=True), LatentSpec.on_lattice((6, 6), 8))
    latents = []
    for number in (1500, 6000):
        coords = torch.rand(1, number, 2, generator=torch.Generator().manual_seed(number))
        wave = torch.sin(2 * torch.pi * coords[..., :1]) * torch.cos(2 * torch.pi * coords[..., 1:])
        latents.append(encoder(wave, Points(coords, periodic=(True, True))))
    assert (latents[0] - latents[1]).norm() < 0.06 * latents[1].norm()  # a wave over 6 tokens is no quadratic


def test_shifting_a_periodic_domain_by_a_token_shifts_the_tokens():
    encoder = LatticeEncoder(spec(2, periodic=True), LatentSpec.on_lattice((4, 5), 8))
    coords, field_BNC = torch.rand(1, 300, 2), torch.randn(1, 300, 1)
    moved = Points((coords + torch.tensor([0.25, 0.2])) % 1, periodic=(True, True))
    expected = encoder(field_BNC, Points(coords, periodic=(True, True))).view(1, 4, 5, 8).roll((1, 1), (1, 2))
    torch.testing.assert_close(encoder(field_BNC, moved).view(1, 4, 5, 8), expected, atol=2e-3, rtol=2e-3)


def test_a_sample_alone_has_the_latent_that_it_has_in_a_padded_batch():
    encoder = LatticeEncoder(spec(2, channels=2), LatentSpec.on_lattice((4, 4), 8))
    lengths, together = (90, 33, 61), torch.rand(3, 90, 2) * 0.4 + 0.3  # they do not fill the box
    field_BNC = torch.randn(3, 90, 2)
    batch = Points(together, lengths=lengths)
    latent_BLD = encoder(field_BNC, batch)
    for row, length in enumerate(lengths):
        alone = encoder(field_BNC[row : row + 1, :length], Points(together[row : row + 1, :length]))
        torch.testing.assert_close(latent_BLD[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_rows_that_share_their_points_and_rows_that_do_not_agree():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8))
    coords, field_BNC = torch.rand(1, 120, 2), torch.randn(3, 120, 1)
    shared, apart = Points(coords.expand(3, -1, -1)), Points(coords.repeat(3, 1, 1))
    torch.testing.assert_close(encoder(field_BNC, shared), encoder(field_BNC, apart))


def test_points_are_taken_in_stretches_of_bounded_size(monkeypatch):
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8))
    field_BNC, points = torch.randn(2, 100, 1), Points(torch.rand(2, 100, 2), lengths=(100, 70))
    whole = encoder(field_BNC, points)
    monkeypatch.setattr("upt_models.local_fit.CHUNK", 32)
    monkeypatch.setattr(fit_sums, "MAX_ENTRIES", 0)
    torch.testing.assert_close(encoder(field_BNC, replace(points)), whole, atol=1e-5, rtol=1e-4)


def test_what_is_found_once_for_a_point_set_is_used_again():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8))
    field_BNC, points = torch.randn(2, 100, 1), Points(torch.rand(1, 100, 2)).repeat(2)
    need, sums = encoder.needs
    assert not points.knows(need)
    assert not points.knows(sums)
    latent_BLD = encoder(field_BNC, points)
    assert points.knows(need)
    assert points.knows(sums)
    assert torch.equal(encoder(field_BNC, points), latent_BLD)
    assert points.get(need)[0].shape == (2, 16, 6, 6)


def test_upt_check_is_told_how_well_tokens_are_covered():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((6, 1), 8))
    coords = torch.cat([torch.full((8, 2), 0.2), torch.tensor([[0.9, 0.1]])]).unsqueeze(0)
    assert encoder.remark(Points(coords)) == (
        "6 tokens use all points: 0 to 8 each, 4 on average; 50 % use the 6 that a fit of degree 2 needs"
    )
    assert "0 % use the 6" in encoder.remark(Points(coords[:, :3]))


def test_an_empty_stretch_of_the_domain_gives_finite_tokens_and_gradients():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((6, 6), 8))
    field_BNC = torch.randn(1, 5, 1, requires_grad=True)
    latent_BLD = encoder(field_BNC, Points(torch.full((1, 5, 2), 0.1)))
    latent_BLD.sum().backward()
    assert latent_BLD.isfinite().all()
    assert field_BNC.grad.isfinite().all()


def test_float64_stays_float64():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8)).double()
    assert encoder(torch.randn(1, 50, 1).double(), Points(torch.rand(1, 50, 2))).dtype == torch.float64


def test_other_points_and_channels_are_refused():
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8))
    with pytest.raises(
        ValueError, match="encoder 'lattice' was built for points with 2 axes, but was given points with 3"
    ):
        encoder(torch.rand(1, 9, 1), Points(torch.rand(1, 9, 3)))
    with pytest.raises(ValueError, match="encoder 'lattice' was built for 1 input channels, but was given 2"):
        encoder(torch.rand(1, 9, 2), Points(torch.rand(1, 9, 2)))
    with pytest.raises(ValueError, match="degree must be at least 0; got -1"):
        LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8), degree=-1)


def test_of_several_frames_the_encoder_hears_magnified_changes_where_it_is_asked_to():
    data = DataSpec((FieldSpec("u"),), (FieldSpec("u"),), (1.0,), (False,), history=3)
    plain, changes = (LatticeEncoder(data, LatentSpec.on_lattice((6,), 8), changes=factor) for factor in (None, 5.0))
    changes.load_state_dict(plain.state_dict())
    points = Points(torch.rand(2, 60, 1, generator=torch.Generator().manual_seed(0)))
    oldest, older, present = torch.randn(3, 2, 60, 1, generator=torch.Generator().manual_seed(1))
    told = torch.cat([5 * (present - oldest), 5 * (present - older), present], dim=-1)
    torch.testing.assert_close(changes(torch.cat([oldest, older, present], dim=-1), points), plain(told, points))


def test_changes_of_a_single_frame_are_refused():
    with pytest.raises(
        ValueError, match="needs several frames for changes between frames, but the data set gives one frame; set"
    ):
        LatticeEncoder(spec(1), LatentSpec.on_lattice((6,), 8), changes=5.0)


@pytest.mark.parametrize("lengths", [None, (300, 120)], ids=["shared", "padded"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_sums_by_a_matrix_are_those_stretch_by_stretch(axes, lengths):
    rng = torch.Generator().manual_seed(0)
    coords = torch.rand(1 if lengths is None else 2, 300, axes, generator=rng).expand(2, -1, -1)
    points = Points(coords, lengths=lengths)
    fits = LocalFits(LATTICES[axes], (axes == 2,) * axes, 2)
    value_BNC = torch.randn(2, 300, 3, generator=rng)
    found_BMC = FitSums(fits).take(value_BNC, points)
    torch.testing.assert_close(found_BMC, fits.sums(value_BNC, points), atol=1e-4, rtol=1e-5)
    assert FitSums(fits).take(value_BNC.double(), points).dtype == torch.float64


def test_there_is_no_matrix_where_a_gradient_is_asked_for_or_it_would_be_large(monkeypatch):
    points, fits = Points(torch.rand(1, 50, 1)), LocalFits((6,), (False,), 2)
    assert FitSums(fits).take(torch.randn(1, 50, 2, requires_grad=True), points) is None
    monkeypatch.setattr(fit_sums, "MAX_ENTRIES", 50 * 9 - 1)
    assert FitSums(fits).take(torch.randn(1, 50, 2), Points(torch.rand(1, 50, 1))) is None


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, at the first forward derivative
def test_derivatives_go_through_the_encoder_forwards_and_in_maps():
    """A product with a sparse matrix has none of its own; the encoder is linear in the fields up to a constant."""
    encoder = LatticeEncoder(spec(2), LatentSpec.on_lattice((4, 4), 8))
    rng = torch.Generator().manual_seed(0)
    points = Points(torch.rand(1, 200, 2, generator=rng).expand(2, -1, -1))
    field_BNC, change_BNC = torch.randn(2, 2, 200, 1, generator=rng)
    encoder(field_BNC, points)  # the matrix is known
    _, slope_BLD = torch.func.jvp(lambda value: encoder(value, points), (field_BNC,), (change_BNC,))
    difference_BLD = encoder(field_BNC + change_BNC, points) - encoder(field_BNC, points)
    torch.testing.assert_close(slope_BLD, difference_BLD, atol=1e-5, rtol=1e-4)
    mapped = torch.func.vmap(lambda value: encoder(value, points))(torch.stack([field_BNC, change_BNC]))
    torch.testing.assert_close(mapped[1], encoder(change_BNC, points), atol=1e-5, rtol=1e-4)
