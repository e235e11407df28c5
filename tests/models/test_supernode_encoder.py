"""Supernode encoder: shapes, padding, order of the points, periodic shifts, sampled points, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from upt_core import DataSpec, LatentSpec, LocalityOrder, Points, Queries
from upt_models.supernode_encoder import SupernodeEncoder

Make = Callable[..., DataSpec]
MakePoints = Callable[..., Points]


@pytest.fixture(params=["full", "linear"])
def encoder(make_spec: Make, latent: LatentSpec, request: pytest.FixtureRequest) -> SupernodeEncoder:
    return SupernodeEncoder(make_spec(None), latent, supernodes=12, max_neighbours=8, attention=request.param).eval()


@pytest.mark.parametrize("periodic", [(True,), (False, True), (False, False, True)])
def test_shapes_at_scattered_points(
    make_spec: Make, make_scattered: MakePoints, latent: LatentSpec, periodic: tuple[bool, ...]
) -> None:
    encoder = SupernodeEncoder(make_spec(None, periodic, axes=len(periodic)), latent, supernodes=9, width=24)
    assert encoder(torch.randn(2, 50, 2), make_scattered(50, 2, periodic)).shape == (2, 6, 16)
    assert not encoder.needs_grid


@pytest.mark.parametrize("shape", [(64,), (8, 8), (4, 4, 4)])
def test_shapes_on_grids(make_spec: Make, make_grid: MakePoints, latent: LatentSpec, shape: tuple[int, ...]) -> None:
    encoder, points, x = (
        SupernodeEncoder(make_spec(shape), latent, supernodes=9).eval(),
        make_grid(shape),
        torch.randn(2, 64, 2),
    )
    encoded = encoder(x, points)
    assert encoded.shape == (2, 6, 16)
    own = Points(points.coords_BNX.contiguous(), shape, periodic=points.periodic)
    torch.testing.assert_close(encoder(x, own), encoded)


def test_rows_do_not_influence_each_other(encoder: SupernodeEncoder, make_scattered: MakePoints) -> None:
    points, x = make_scattered(40, 3), torch.randn(3, 40, 2)
    one = replace(points, coords_BNX=points.coords_BNX[1:2])
    torch.testing.assert_close(encoder(x, points)[1:2], encoder(x[1:2], one))


@pytest.mark.parametrize("length", [30, 12, 5, 1])
def test_padding_changes_nothing(encoder: SupernodeEncoder, length: int) -> None:
    coords, x = torch.rand(2, 40, 2), torch.randn(2, 40, 2)
    coords[1, length:] = 0.5
    padded = Points(coords, lengths=(40, length), periodic=(False, False))
    alone = Points(coords[1:2, :length], periodic=(False, False))
    expected = encoder(x[1:2, :length], alone)
    torch.testing.assert_close(encoder(x, padded)[1:2], expected)
    assert torch.isfinite(expected).all()


def test_values_of_padding_do_not_matter(encoder: SupernodeEncoder) -> None:
    coords, x = torch.rand(1, 40, 2), torch.randn(1, 40, 2)
    points = Points(coords, lengths=(30,), periodic=(False, False))
    other = x.clone()
    other[:, 30:] = 1e3
    assert torch.equal(encoder(x, points), encoder(other, points))


def test_the_order_of_the_points_does_not_matter(encoder: SupernodeEncoder, make_scattered: MakePoints) -> None:
    points, x = make_scattered(40, 1), torch.randn(1, 40, 2)
    order = torch.randperm(40)
    shuffled = replace(points, coords_BNX=points.coords_BNX[:, order])
    torch.testing.assert_close(encoder(x[:, order], shuffled), encoder(x, points))


def test_unheard_points_do_not_matter_and_heard_ones_do(make_spec: Make, latent: LatentSpec) -> None:
    encoder = SupernodeEncoder(make_spec(None), latent, supernodes=1, radius=0.1, max_neighbours=8)
    coords = torch.tensor([[[0.5, 0.5], [0.55, 0.5], [0.9, 0.9]]])
    order = torch.tensor([[1, 0, 2]])  # its middle is point 0, which is the supernode
    points = Points(coords, periodic=(False, False)).keep(LocalityOrder(), (order,))
    x = torch.randn(1, 3, 2)
    far, near = x.clone(), x.clone()
    far[:, 2] += 1
    near[:, 1] += 1
    assert torch.equal(encoder(far, points), encoder(x, points))
    assert not torch.allclose(encoder(near, points), encoder(x, points), atol=1e-4)


def test_neighbours_are_found_across_a_periodic_edge(make_spec: Make, latent: LatentSpec) -> None:
    coords = torch.tensor([[[0.02, 0.5], [0.98, 0.5], [0.5, 0.5]]])
    order, x = torch.tensor([[1, 0, 2]]), torch.randn(1, 3, 2)  # supernode: point 0
    changed = x.clone()
    changed[:, 1] += 1
    for wraps in (True, False):
        encoder = SupernodeEncoder(make_spec(None, (wraps, False)), latent, supernodes=1, radius=0.1)
        points = Points(coords, periodic=(wraps, False)).keep(LocalityOrder(), (order,))
        assert torch.allclose(encoder(changed, points), encoder(x, points), atol=1e-4) != wraps


def test_points_of_a_sampler_are_taken(encoder: SupernodeEncoder, make_scattered: MakePoints) -> None:
    points, x = make_scattered(60), torch.randn(2, 60, 2, requires_grad=True)
    queries = Queries(torch.stack([torch.randperm(60)[:20], torch.randperm(60)[:20]]))
    sampled = points.select(queries)
    encoded = encoder(queries.take(x), sampled)
    assert encoded.shape == (2, 6, 16)
    encoded.square().sum().backward()  # inverse decoding needs the gradient with respect to the fields
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_fewer_points_than_supernodes_use_all(encoder: SupernodeEncoder, make_scattered: MakePoints) -> None:
    assert encoder(torch.randn(2, 3, 2), make_scattered(3)).isfinite().all()


def test_coincident_points_give_finite_gradients(encoder: SupernodeEncoder) -> None:
    points = Points(torch.full((1, 20, 2), 0.5), periodic=(False, False))
    x = torch.randn(1, 20, 2, requires_grad=True)
    encoder(x, points).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_messages(make_spec: Make, make_scattered: MakePoints, latent: LatentSpec, encoder: SupernodeEncoder) -> None:
    data = make_spec(None)
    with pytest.raises(ValueError, match="supernodes must be greater than 0; got 0"):
        SupernodeEncoder(data, latent, supernodes=0)
    with pytest.raises(ValueError, match=r"radius must be greater than 0.0; got -0.1"):
        SupernodeEncoder(data, latent, radius=-0.1)
    with pytest.raises(ValueError, match="max_neighbours must be greater than 0; got 0"):
        SupernodeEncoder(data, latent, max_neighbours=0)
    with pytest.raises(ValueError, match="depth must be at least 0; got -1"):
        SupernodeEncoder(data, latent, depth=-1)
    with pytest.raises(ValueError, match="supernodes need points with 1 to 3 axes, but these have 4"):
        SupernodeEncoder(make_spec(None, axes=4), latent)
    with pytest.raises(
        ValueError, match="the encoder 'supernode' was built for points with 2 axes, but was given points with 3"
    ):
        encoder(torch.randn(2, 30, 2), make_scattered(30, 2, (False,) * 3))
    with pytest.raises(ValueError, match="the encoder 'supernode' was built for 2 input channels, but was given 1"):
        encoder(torch.randn(2, 30, 1), make_scattered(30))
