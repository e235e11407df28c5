"""Moved query points: where they are, what values they take, and who is told what."""

from __future__ import annotations

import math

import pytest
import torch

from upt_core import Batch, DataSpec, FieldSpec, Points, Progress, Queries, Step
from upt_core.testing.made_up_models import small_model
from upt_losses.boundary import Boundary
from upt_losses.forward import Forward
from upt_losses.inverse_encoding import InverseEncoding
from upt_samplers.jittered import Jittered, MovedQueries
from upt_samplers.mixture import Mixture
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

NOW = Progress()


def grid(shape: tuple[int, ...], periodic: tuple[bool, ...], batch: int = 2) -> Points:
    axes = [torch.arange(n) / (n if wraps else n - 1) for n, wraps in zip(shape, periodic, strict=True)]
    coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).view(1, -1, len(shape))
    return Points(coords.expand(batch, -1, -1), shape, extent=(1.0,) * len(shape), periodic=periodic)


def drawn(points: Points, count: int = 40, seed: int = 0, **arguments: float) -> MovedQueries:
    sampler = Jittered(Uniform(count), **arguments)
    queries = sampler.sample(points, torch.Generator().manual_seed(seed), NOW)
    assert isinstance(queries, MovedQueries)
    return queries


CASES = [((64,), (True,)), ((64,), (False,)), ((12, 10), (True, False)), ((6, 8, 5), (False, True, True))]


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_points_move_by_up_to_half_a_grid_step(shape, periodic):
    points = grid(shape, periodic)
    queries = drawn(points, 60, share=1.0)
    step = torch.tensor([1 / (n if wraps else n - 1) for n, wraps in zip(shape, periodic, strict=True)])
    moved_BQX = (queries.coords(points) - Queries(queries.index_BQ).take(points.coords_BNX)) / step
    assert moved_BQX.abs().max() <= 0.5 + 1e-4
    assert moved_BQX.abs().max() > 0.45
    open_axes = [axis for axis, wraps in enumerate(periodic) if not wraps]
    inside_BQX = queries.coords(points)[..., open_axes]
    assert ((inside_BQX > -1e-6) & (inside_BQX < 1 + 1e-6)).all()


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_a_share_of_the_points_moves(share):
    """False alarms: 5 standard deviations of a binomial count, 6e-7; the seed is fixed."""
    points = grid((2048,), (True,))
    queries = drawn(points, 1000, share=share)
    stays = queries.coords(points) == Queries(queries.index_BQ).take(points.coords_BNX)
    deviation = math.sqrt(share * (1 - share) / stays.numel())
    assert abs(stays.float().mean() - (1 - share)) < 5 * deviation


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_cubics_of_the_coordinates_are_taken_exactly_on_open_axes_and_points_that_stay_are_exact(shape, periodic):
    points = grid(shape, tuple(False for _ in periodic))
    queries = drawn(points)
    value_BNC = (points.coords_BNX**3 - points.coords_BNX).prod(dim=-1, keepdim=True)
    at_BQX = queries.coords(points)
    torch.testing.assert_close(
        queries.take(value_BNC), (at_BQX**3 - at_BQX).prod(dim=-1, keepdim=True), atol=1e-5, rtol=1e-4
    )
    noise_BNC = torch.randn(2, points.num_points, 3)
    stays_BQ = (at_BQX == Queries(queries.index_BQ).take(points.coords_BNX)).all(dim=-1)
    assert stays_BQ.any()
    assert torch.equal(queries.take(noise_BNC)[stays_BQ], Queries(queries.index_BQ).take(noise_BNC)[stays_BQ])


@pytest.mark.parametrize(("stencil", "at_most"), [(2, 8e-2), (4, 1.5e-2), (6, 3e-3)])
def test_waves_are_taken_to_the_order_of_the_stencil_across_the_end_of_a_periodic_axis(stencil, at_most):
    errors = []
    for number in (8, 16):
        points = grid((number,), (True,))
        queries = drawn(points, number - 1, share=1.0, stencil=stencil)
        at_BQX = queries.coords(points)
        wave = torch.sin(2 * math.pi * points.coords_BNX)
        errors.append((queries.take(wave) - torch.sin(2 * math.pi * at_BQX)).abs().max().item())
    assert errors[0] < at_most
    assert errors[1] < errors[0] / (0.6 * 2**stencil)


@pytest.mark.parametrize(("shape", "periodic"), [((32,), (True,)), ((8, 8), (True, True))])
def test_the_mean_over_moved_points_of_a_periodic_grid_is_unbiased(shape, periodic):
    """False alarms: 5 standard errors, 6e-7; seeds are fixed."""
    points = grid(shape, periodic, batch=1)
    value_BNC = torch.randn(1, points.num_points, 1, generator=torch.Generator().manual_seed(1))
    means = torch.stack([q.mean(q.take(value_BNC)[..., 0]) for q in (drawn(points, 8, seed) for seed in range(2000))])
    assert abs(means.mean() - value_BNC.mean()) < 5 * means.std() / math.sqrt(len(means))


def test_a_step_decodes_at_the_moved_points_also_where_all_points_are_decoded():
    data = DataSpec((FieldSpec("u"),), (FieldSpec("u"),), (1.0,), (True,), (16,))
    points = grid((16,), (True,))
    batch = Batch(torch.randn(2, 16, 1), torch.randn(2, 1, 16, 1), points, reference_BNC=torch.randn(2, 16, 1))
    model = small_model(data)
    step = Step(model, batch, data)
    InverseEncoding()(step)  # decodes all points
    queries = drawn(points, 6, share=1.0)
    expected = model.decoder(step.latent(0), queries.coords(points))
    torch.testing.assert_close(step.decoded(0, queries), expected)
    view = step.using(Jittered(Uniform(6), share=1.0), "moved")
    chosen = view.queries()
    error = model.decoder(step.latent(1), chosen.coords(points)) - chosen.take(batch.target_BTNC[:, 0])
    torch.testing.assert_close(Forward()(view), error.square().mean())


def test_it_leaves_one_point_out_where_the_base_takes_all():
    points = grid((16,), (True,))
    assert Jittered(Uniform(99)).count(16, NOW) == 15
    assert drawn(points, 99).index_BQ.shape == (2, 15)
    assert Jittered(Uniform(99)).count(1, NOW) == 1


class Listening(Stratified):
    """Remembers what it was told."""

    heard: Queries | None = None

    def observe(self, points: Points, queries: Queries, error_BQ: torch.Tensor) -> None:
        self.heard = queries


def test_the_base_hears_of_its_own_points():
    base = Listening(8)
    sampler, points = Jittered(base), grid((32,), (True,))
    queries = sampler.sample(points, torch.Generator().manual_seed(0), NOW)
    sampler.observe(points, queries, torch.zeros(2, 8))
    assert base.heard is queries.drawn
    assert torch.equal(base.heard.index_BQ, queries.index_BQ)


def test_what_it_cannot_do_is_refused():
    scattered = Points(torch.rand(2, 30, 2), periodic=(True, True))
    with pytest.raises(
        ValueError, match="jittered interpolates fields on a regular grid, but these points are scattered"
    ):
        Jittered(Uniform(8)).sample(scattered, torch.Generator(), NOW)
    with pytest.raises(ValueError, match="put jittered around the mixture"):
        Mixture([Jittered(Uniform(4)), Uniform(4)]).draw(grid((32,), (True,)), 8, torch.Generator(), NOW)
    with pytest.raises(ValueError, match="reach must be at most 0.5; got 0.7"):
        Jittered(reach=0.7)
    with pytest.raises(ValueError, match="share must be greater than 0.0; got 0.0"):
        Jittered(share=0.0)


def test_the_boundary_is_not_looked_at_between_points():
    data = DataSpec((FieldSpec("u"),), (FieldSpec("u"),), (1.0,), (False,), (16,))
    batch = Batch(torch.randn(2, 16, 1), torch.randn(2, 1, 16, 1), grid((16,), (False,)))
    step = Step(small_model(data), batch, data).using(Jittered(Uniform(6)), "moved")
    with pytest.raises(ValueError, match="boundary uses points of the boundary.*give it sampler: null"):
        Boundary()(step)
