"""Grid encoder: shapes in 1 to 3 dimensions, batch independence, other grids, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from upt_core import DataSpec, LatentSpec, Points, Queries
from upt_models.grid_encoder import GridEncoder

Make = Callable[..., DataSpec]
MakeGrid = Callable[..., Points]


@pytest.mark.parametrize(
    ("shape", "patch"), [((32,), 4), ((8, 12), 4), ((8, 6), [4, 2]), ((4, 8, 4), 2), ((4, 6, 5), [2, 3, 5])]
)
def test_shapes(
    make_spec: Make, make_grid: MakeGrid, latent: LatentSpec, shape: tuple[int, ...], patch: int | list[int]
) -> None:
    encoder = GridEncoder(make_spec(shape), latent, patch=patch, width=24)
    points = make_grid(shape)
    assert encoder(torch.randn(2, points.num_points, 2), points).shape == (2, 6, 16)


def test_it_needs_a_grid() -> None:
    assert GridEncoder.needs_grid


def test_rows_do_not_influence_each_other(make_spec: Make, make_grid: MakeGrid, latent: LatentSpec) -> None:
    encoder = GridEncoder(make_spec(), latent)
    x = torch.randn(3, 64, 2)
    torch.testing.assert_close(encoder(x, make_grid((8, 8), 3))[1:2], encoder(x[1:2], make_grid((8, 8), 1)))


def test_shared_points_give_the_same_as_own_points(make_spec: Make, make_grid: MakeGrid, latent: LatentSpec) -> None:
    encoder = GridEncoder(make_spec(), latent)
    shared, x = make_grid((8, 8)), torch.randn(2, 64, 2)
    own = Points(shared.coords_BNX.contiguous(), (8, 8), periodic=(False, False))
    torch.testing.assert_close(encoder(x, shared), encoder(x, own))


def test_position_of_a_value_matters(make_spec: Make, make_grid: MakeGrid, latent: LatentSpec) -> None:
    encoder = GridEncoder(make_spec(), latent)
    x = torch.zeros(1, 64, 2)
    x[0, 0] = 1
    # The same patch content at another patch: a set of patches without positions could not tell.
    moved = torch.zeros(1, 64, 2)
    moved[0, 4] = 1
    points = make_grid((8, 8), 1)
    assert not torch.allclose(encoder(x, points), encoder(moved, points), atol=1e-4)


def test_other_resolutions_work_where_the_patch_tiles_them(
    make_spec: Make, make_grid: MakeGrid, latent: LatentSpec
) -> None:
    encoder = GridEncoder(make_spec((8, 8)), latent, patch=4)
    assert encoder(torch.randn(2, 16 * 12, 2), make_grid((16, 12))).shape == (2, 6, 16)
    with pytest.raises(ValueError, match=r"a grid of \[10, 8\] points cannot be cut into patches of \[4, 4\]"):
        encoder(torch.randn(2, 80, 2), make_grid((10, 8)))
    with pytest.raises(ValueError, match=r"patch \[4, 4\] has 2 axes, but the grid \[64\] has 1"):
        encoder(torch.randn(2, 64, 2), make_grid((64,)))


def test_messages_of_the_constructor(make_spec: Make, latent: LatentSpec) -> None:
    with pytest.raises(
        ValueError, match=r"the encoder 'grid' needs fields on a regular grid.*use the encoder 'supernode'"
    ):
        GridEncoder(make_spec(None), latent)
    with pytest.raises(
        ValueError, match=r"\[8, 8\] points cannot be cut into patches of \[3, 3\].*use a patch of 1, 2, 4, 8"
    ):
        GridEncoder(make_spec((8, 8)), latent, patch=3)
    with pytest.raises(ValueError, match=r"patch \[2, 2, 2\] has 3 axes, but the grid \[8, 8\] has 2"):
        GridEncoder(make_spec((8, 8)), latent, patch=[2, 2, 2])
    with pytest.raises(ValueError, match="GridEncoder: patch must be greater than 0; got 0"):
        GridEncoder(make_spec(), latent, patch=0)
    with pytest.raises(ValueError, match="depth must be at least 0; got -1"):
        GridEncoder(make_spec(), latent, depth=-1)
    with pytest.raises(ValueError, match="width 16 cannot be shared by 3 attention heads"):
        GridEncoder(make_spec(), latent, heads=3)
    with pytest.raises(ValueError, match="give whole numbers from 1 on"):
        GridEncoder(make_spec(), latent, frequencies=[])


def test_sampled_points_and_other_channels_are_refused(
    make_spec: Make, make_grid: MakeGrid, latent: LatentSpec
) -> None:
    encoder, points = GridEncoder(make_spec(), latent), make_grid((8, 8))
    queries = Queries(torch.arange(16).expand(2, -1))
    with pytest.raises(ValueError, match="the encoder 'grid' was given scattered points; it needs the whole grid"):
        encoder(torch.randn(2, 16, 2), points.select(queries))
    with pytest.raises(ValueError, match="the encoder 'grid' was built for 2 input channels, but was given 3"):
        encoder(torch.randn(2, 64, 3), points)
