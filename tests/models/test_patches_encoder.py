"""The encoder of overlapping patches: linear, local, the same at other resolutions, true to where points are."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
import torch

from upt_core import DataSpec, FieldSpec, LatentSpec, Points
from upt_models.patches_encoder import PatchesEncoder
from upt_models.resample import interpolation_matrix


def spec(shape: tuple[int, ...], periodic: bool) -> DataSpec:
    field = (FieldSpec("u"),)
    return DataSpec(field, field, (1.0,) * len(shape), (periodic,) * len(shape), shape)


def grid(shape: tuple[int, ...], start: float, stop: float, endpoint: bool) -> Points:
    """Points from ``start`` to ``stop`` along every axis."""
    axes = [start + (stop - start) * torch.arange(n) / (n - 1 if endpoint else n) for n in shape]
    coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).view(1, -1, len(shape))
    return Points(coords, shape)


def waves(points: Points) -> torch.Tensor:
    """A smooth periodic field (1, N, 1)."""
    angle = 2 * math.pi * points.coords_BNX
    return (angle.sin() + 0.5 * (2 * angle).cos()).prod(dim=-1, keepdim=True)


def trained_like(encoder: PatchesEncoder) -> PatchesEncoder:
    torch.nn.init.normal_(encoder.weight, std=0.1)
    return encoder


@pytest.mark.parametrize("shape", [(16,), (16, 8), (8, 4, 8)])
def test_shifting_a_periodic_field_by_a_patch_shifts_the_tokens(shape):
    lattice = tuple(n // 4 for n in shape)
    encoder = PatchesEncoder(spec(shape, True), LatentSpec.on_lattice(lattice, 5))
    points, axes = grid(shape, 0, 1, False), tuple(range(1, len(shape) + 1))
    field_BVC = torch.randn(1, *shape, 1)
    moved = encoder(field_BVC.roll((4,) * len(shape), axes).view(1, -1, 1), points)
    expected = encoder(field_BVC.view(1, -1, 1), points).view(1, *lattice, 5).roll((1,) * len(shape), axes)
    torch.testing.assert_close(moved.view(1, *lattice, 5), expected, atol=1e-5, rtol=1e-4)


def test_a_token_sees_its_patch_and_the_patches_beside_it():
    encoder = trained_like(PatchesEncoder(spec((16,), False), LatentSpec.on_lattice((4,), 1)))
    field_BNC = torch.randn(1, 16, 1, requires_grad=True)
    encoder(field_BNC, grid((16,), 0, 1, True))[0, 1].sum().backward()
    assert field_BNC.grad[0, :, 0].nonzero().flatten().tolist() == list(range(12))


@pytest.mark.parametrize(("start", "stop", "endpoint"), [(0, 1, False), (1 / 64, 1 + 1 / 64, False)])
@pytest.mark.parametrize("factor", [2, 3])
def test_a_finer_periodic_grid_gives_the_same_latent(start, stop, endpoint, factor):
    encoder = trained_like(PatchesEncoder(spec((32,), True), LatentSpec.on_lattice((8,), 4)))
    coarse, shift = grid((32,), start, stop, endpoint), start / factor
    fine = grid((32 * factor,), shift, 1 + shift, endpoint)
    expected, found = encoder(waves(coarse), coarse), encoder(waves(fine), fine)
    assert (found - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.parametrize("points", [65, 96, 16])
def test_an_open_grid_of_any_other_size_gives_nearly_the_same_latent(points):
    encoder = trained_like(PatchesEncoder(spec((32,), False), LatentSpec.on_lattice((8,), 4)))
    coarse, other = grid((32,), 0, 1, True), grid((points,), 0, 1, True)
    expected, found = encoder(waves(coarse), coarse), encoder(waves(other), other)
    assert (found - expected).norm() < (0.03 if points < 32 else 2e-3) * expected.norm()


@pytest.mark.parametrize("margins", [(0.5, 0.5), (0.0, 1.0), (0.25, 0.75)])
@pytest.mark.parametrize(("points", "start"), [(16, 0.0), (16, 0.3), (32, 0.0), (32, 0.5), (64, 0.1)])
def test_a_periodic_grid_at_any_place_gives_the_latent_of_the_training_grid(points, start, margins):
    data = dataclasses.replace(spec((16,), True), margins=(margins,))
    encoder = trained_like(PatchesEncoder(data, LatentSpec.on_lattice((8,), 6))).eval()
    own, other = (grid((n,), at / n, 1 + at / n, False) for n, at in ((16, margins[0]), (points, start)))
    expected = encoder(waves(own), own)
    difference = (encoder(waves(other), other) - expected).norm() / expected.norm()
    assert difference < (0.015 if points == 16 else 0.002), "cubic interpolation between 16 or more points"


def test_every_nth_point_of_an_open_grid_is_known_to_lie_otherwise():
    """Points 0.5, 4.5, … of 64 cells: none lies where a centre of 16 or 32 cells does."""
    strided, finer = (grid((n,), 0.5 / 64, 0.5 / 64 + 1, False) for n in (16, 32))
    data = dataclasses.replace(spec((16,), False), margins=((0.125, 0.875),))
    encoder = trained_like(PatchesEncoder(data, LatentSpec.on_lattice((8,), 6))).eval()
    torch.testing.assert_close(encoder(waves(finer), finer), encoder(waves(strided), strided), atol=1e-4, rtol=1e-4)


def test_an_open_grid_that_ends_early_is_refused():
    data = dataclasses.replace(spec((16,), False), margins=((0.5, 0.5),))
    encoder = PatchesEncoder(data, LatentSpec.on_lattice((8,), 6)).eval()
    short = grid((32,), 0.02, 0.8, True)
    with pytest.raises(
        ValueError, match=r"the points along axis 0 end 6\.7 of their steps before the points of training; give"
    ):
        encoder(waves(short), short)


def test_shared_points_are_taken_as_they_are():
    encoder = trained_like(PatchesEncoder(spec((16,), True), LatentSpec.on_lattice((4,), 4)))
    fine = grid((32,), 0, 1, False)
    field_BNC = torch.randn(1, 32, 1)
    expected = encoder(field_BNC[:, ::2], grid((16,), 0, 1, False))
    torch.testing.assert_close(encoder(field_BNC, fine), expected, atol=1e-5, rtol=1e-4)


def test_on_open_axes_the_map_may_follow_where_points_are():
    """Points from end to end lie at another place in each patch. A linear field must be readable at tokens' places."""
    encoder = PatchesEncoder(spec((32,), False), LatentSpec.on_lattice((8,), 1))
    points = grid((32,), 0, 1, True)
    place_L = (torch.arange(8) + 0.5) / 8
    fields = torch.stack([points.coords_BNX[0, :, 0] ** power for power in (1, 2, 3)]).unsqueeze(-1)
    truth = torch.stack([place_L**power for power in (1, 2, 3)]).unsqueeze(-1)
    optimizer = torch.optim.LBFGS(encoder.parameters(), lr=1, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = (encoder(fields, Points(points.coords_BNX.expand(3, -1, -1), (32,))) - truth).square().mean().sqrt()
        value.backward()
        return value

    optimizer.step(loss)
    assert loss() < 2e-3  # without the dependence on the place: 0.01 (half a grid step times the slope)


def test_cubics_are_interpolated_exactly():
    old, new = torch.linspace(0, 1, 9), torch.linspace(0, 1, 14)
    matrix = interpolation_matrix(old, new, wraps=False)
    torch.testing.assert_close(matrix @ old**3, new**3, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(interpolation_matrix(old, old, wraps=False), torch.eye(9))


def test_other_data_are_refused_with_the_cure():
    latent = LatentSpec.on_lattice((4,), 8)
    field = (FieldSpec("u"),)
    with pytest.raises(ValueError, match="needs fields on a regular grid.*use the encoder 'lattice'"):
        PatchesEncoder(DataSpec(field, field, (1.0,), (True,)), latent)
    with pytest.raises(ValueError, match=r"axis 0 of the grid \[18\] has 18 points and the lattice \[4\] has 4 tokens"):
        PatchesEncoder(spec((18,), True), latent)
    encoder = PatchesEncoder(spec((16,), True), latent)
    with pytest.raises(ValueError, match="was given scattered points; it needs the whole grid"):
        encoder(torch.rand(1, 16, 1), Points(torch.rand(1, 16, 1)))
    with pytest.raises(ValueError, match="was built for 1 input channels, but was given 2"):
        encoder(torch.rand(1, 16, 2), grid((16,), 0, 1, False))
    uneven = Points(torch.linspace(0, 1, 20).square().view(1, 20, 1), (20,))
    with pytest.raises(
        ValueError, match="20 points along axis 0 are not evenly spaced.*with 16 points along this axis"
    ):
        encoder(torch.rand(1, 20, 1), uneven)
    with pytest.raises(ValueError, match=re.escape("a grid with 2 axes cannot be resampled to the grid [16]")):
        encoder(torch.rand(1, 16, 1), grid((4, 4), 0, 1, False))
