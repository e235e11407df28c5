"""Importance: when it starts, what it learns, that weights undo the bias, lower variance, state, refusals."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import DataError, Points, Progress
from upt_samplers.importance import BlockQueries, Importance
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

START = Progress(epoch=1, num_epochs=20)


class Fields:
    """A probe of given values: the squared errors and targets of each batch of points."""

    def __init__(self, *batches: tuple[Points, Tensor], targets: Tensor | None = None) -> None:
        self.batches = batches
        self.fields = targets
        self.num_samples = sum(points.batch_size for points, _ in batches)
        self.directions = 0

    def errors(self) -> Iterator[tuple[Points, Tensor]]:
        yield from self.batches

    def loss_gradients(self, num_directions: int) -> Iterator[tuple[Points, Tensor]]:
        self.directions = num_directions
        yield from self.batches

    def targets(self) -> Iterator[tuple[Points, Tensor]]:
        for points, value_BN in self.batches:
            yield points, value_BN.unsqueeze(-1) if self.fields is None else self.fields


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def peak(points: Points, at: float = 0.3) -> Tensor:
    """Squared errors that are large near one place, (B, N)."""
    return torch.exp(-200 * (points.coords_BNX - at).square().sum(-1)) + 1e-4


def drawn(sampler: Importance, points: Points, count: int = 64, seed: int = 0) -> BlockQueries:
    queries = sampler.draw(points, count, rng(seed), START)
    assert isinstance(queries, BlockQueries)
    return queries


def test_starts_as_stratified(grid: Any) -> None:
    points = grid(16, 16, batch=2)
    expected = Stratified().draw(points, 40, rng(), START)
    assert torch.equal(Importance().draw(points, 40, rng(), START).index_BQ, expected.index_BQ)
    sampler = Importance(start_epoch=3)
    sampler.refresh(Fields((points, peak(points))), START)
    assert torch.equal(sampler.draw(points, 40, rng(), START).index_BQ, expected.index_BQ)


@pytest.mark.parametrize("kind", ["grid", "scattered", "padded"])
@pytest.mark.parametrize("dense", [False, True])
def test_looks_where_errors_are_large_and_weights_undo_it(
    kind: str, dense: bool, grid: Any, scattered: Any, padded: Any, estimates: Any
) -> None:
    """The mean over 400 draws within 5 standard errors: chance of failure 6e-7 each."""
    points = {"grid": grid(32, 32, batch=2), "scattered": scattered(1000, batch=2), "padded": padded(900, 600)}[kind]
    sampler = Importance(dense=dense, block=8)
    error_BN = peak(points) if points.mask_BN is None else peak(points) * points.mask_BN
    sampler.refresh(Fields((points, error_BN)), START)
    queries = drawn(sampler, points)
    near = error_BN.gather(1, queries.index_BQ) > 0.1
    share = (error_BN > 0.1).sum(1) / (points.length_B1[:, 0] if points.length_B1 is not None else points.num_points)
    assert bool((near.float().mean(1) > 4 * share).all())
    means = estimates(sampler, points, error_BN, 64)
    lengths = points.num_points if points.length_B1 is None else points.length_B1[:, 0]
    expected = (error_BN.sum(1) / lengths).mean()
    assert float((means.mean() - expected).abs()) < 5 * float(means.std()) / 20


def test_weights_are_bounded_by_the_floor(grid: Any) -> None:
    points = grid(32, 32)
    sampler = Importance(floor=0.25, block=4)
    sampler.refresh(Fields((points, peak(points) ** 4)), START)
    weight = drawn(sampler, points).weight_BQ
    assert weight is not None
    assert 2 < float(weight.max()) <= 4 * (1 + 1e-6)


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_lower_variance_than_uniform_and_than_its_scores_without_order(
    kind: str, grid: Any, scattered: Any, estimates: Any
) -> None:
    """The mean of a peaked error, 64 of 1024 points: at least 20 times lower than uniform, and below stratified."""
    points = grid(32, 32) if kind == "grid" else scattered(1024)
    error = peak(points)
    sampler = Importance(block=4)
    sampler.refresh(Fields((points, error.square())), START)  # scores are root mean squares: as the error itself
    variance = {
        name: float(estimates(s, points, error, 64, 400).var())
        for name, s in (("importance", sampler), ("stratified", Stratified()), ("uniform", Uniform()))
    }
    assert variance["uniform"] > 20 * variance["importance"]
    assert variance["stratified"] > 2 * variance["importance"]


def test_each_sample_has_its_own_scores(grid: Any) -> None:
    points = grid(32, 32, batch=2)
    error = torch.stack([peak(points, 0.2)[0], peak(points, 0.8)[0]])
    sampler = Importance(block=8)
    sampler.refresh(Fields((points, error)), START)
    for numbers in ([0, 1], [1, 0]):
        points = grid(32, 32, batch=2, sample_id_B=torch.tensor(numbers))
        index = drawn(sampler, points).index_BQ
        centre_B = points.coords_BNX.gather(1, index.unsqueeze(-1).expand(-1, -1, 2)).mean(dim=(1, 2))
        assert float(centre_B[numbers.index(0)]) < 0.45
        assert float(centre_B[numbers.index(1)]) > 0.55


def test_without_sample_numbers_all_share_the_mean_of_their_scores(grid: Any) -> None:
    points = grid(16, 16, batch=2, sample_id_B=None)
    sampler = Importance(block=16)
    error = torch.cat([torch.full((1, 256), 1.0), torch.full((1, 256), 3.0)])
    sampler.refresh(Fields((points, error), (points, error + 4)), START)
    assert sampler.state_dict()["shared"]
    assert torch.allclose(sampler.state_dict()["value_SK"][0], torch.tensor(4.0))


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_observations_move_the_scores_of_visited_blocks(kind: str, grid: Any, scattered: Any) -> None:
    points = grid(16, 16, batch=2) if kind == "grid" else scattered(256, batch=2)
    sampler = Importance(block=16, decay=0.5)
    sampler.refresh(Fields((points, torch.ones(2, 256))), START)
    queries = drawn(sampler, points, 1)
    sampler.observe(points, queries, torch.full((2, 1), 9.0))
    value = sampler.state_dict()["value_SK"]
    assert torch.equal(value.gather(1, queries.block_BQ), torch.full((2, 1), 5.0))
    assert int((value != 1).sum()) == 2
    # the same from queries that do not know their blocks, and from all points
    other = Importance(block=16, decay=0.5)
    other.refresh(Fields((points, torch.ones(2, 256))), START)
    other.observe(points, type(queries).__bases__[0](queries.index_BQ), torch.full((2, 1), 9.0))
    assert torch.equal(other.state_dict()["value_SK"], value)
    other.observe(points, queries.all(points), torch.full((2, 256), 100.0))
    assert float(other.state_dict()["value_SK"].min()) > 99


def test_a_sample_twice_in_a_batch_is_observed_as_one(grid: Any) -> None:
    twice = grid(8, 8, batch=2, sample_id_B=torch.tensor([0, 0]))
    sampler = Importance(block=64, decay=0.5)
    sampler.refresh(Fields((grid(8, 8, batch=2), torch.ones(2, 64))), START)
    sampler.observe(twice, drawn(sampler, twice, 1), torch.tensor([[3.0], [7.0]]))
    assert sampler.state_dict()["value_SK"][:, 0].tolist() == [1 + 0.75 * (5 - 1), 1]


def test_padding_and_values_that_are_not_finite_are_not_observed(padded: Any) -> None:
    points = padded(9, 3)
    sampler = Importance(block=4, decay=0.0)
    sampler.refresh(Fields((points, points.mask_BN.float())), START)
    error = torch.full((2, 5), 4.0)
    error[0, 0] = torch.nan
    sampler.observe(points, drawn(sampler, points, 5), error)
    value = sampler.state_dict()["value_SK"]
    assert set(value[~value.isnan()].tolist()) <= {0.0, 1.0, 4.0}
    assert float(value[1, 0]) == 4


def test_refresh_every_window_epochs_and_once_where_static() -> None:
    def due(sampler: Importance) -> list[int]:
        epochs = []
        for epoch in range(12):
            progress = Progress(epoch=epoch, num_epochs=12)
            if sampler.refresh_due(progress):
                points = Points(torch.rand(2, 4, 1), grid_shape=(4,), sample_id_B=torch.arange(2))
                sampler.refresh(Fields((points, torch.rand(2, 4))), progress)
                assert not sampler.refresh_due(progress)
                epochs.append(epoch)
        return epochs

    assert due(Importance()) == [1, 6, 11]
    assert due(Importance(metric="gradient", window=3, start_epoch=2)) == [2, 5, 8, 11]
    assert due(Importance(metric="target_gradient", start_epoch=0)) == [0]
    assert due(Importance(metric="variance")) == [1]
    assert due(Importance(window=0)) == [1]


def test_window_0_learns_from_visited_points_alone(grid: Any) -> None:
    points = grid(32, 32)
    sampler = Importance(window=0, block=16)
    sampler.refresh(Fields((points, torch.full((1, 1024), torch.nan))), START)
    for seed in range(20):
        queries = drawn(sampler, points, 64, seed)
        sampler.observe(points, queries, peak(points).gather(1, queries.index_BQ))
    queries = drawn(sampler, points, 64)
    assert float((peak(points).gather(1, queries.index_BQ) > 0.1).float().mean()) > 0.1
    assert float((peak(points) > 0.1).float().mean()) < 0.05


def test_gradient_asks_for_the_declared_directions(grid: Any) -> None:
    points = grid(8, 8)
    probe = Fields((points, peak(points)))
    sampler = Importance(metric="loss_gradient", directions=3)
    sampler.refresh(probe, START)
    assert probe.directions == 3
    assert sampler.metric == "gradient"
    sampler.observe(points, drawn(sampler, points, 8), torch.full((1, 8), 1e6))
    assert float(sampler.state_dict()["value_SK"].max()) < 1.1


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_target_gradient_is_the_slope_of_the_target(kind: str, grid: Any, scattered: Any) -> None:
    """A plane u = 3x - 4y of slope 5 has squared slope 25 everywhere, also for a domain of other length."""
    for extent, slope in (((), 25.0), ((2.0, 1.0), 9 / 4 + 16)):
        points = grid(16, 16, extent=extent) if kind == "grid" else scattered(300, extent=extent)
        target = points.coords_BNX @ torch.tensor([[3.0], [-4.0]])
        sampler = Importance(metric="target_gradient", block=16)
        sampler.refresh(Fields((points, torch.zeros(1, points.num_points)), targets=target), START)
        assert torch.allclose(sampler.state_dict()["value_SK"], torch.tensor(slope), rtol=1e-3)


def test_target_gradient_wraps_around_periodic_axes(grid: Any) -> None:
    points = grid(64, 1, periodic=(True, True))
    target = torch.sin(2 * torch.pi * points.coords_BNX[..., :1])
    sampler = Importance(metric="target_gradient", dense=True)
    sampler.refresh(Fields((points, target[..., 0]), targets=target), START)
    exact = (2 * torch.pi * torch.cos(2 * torch.pi * points.coords_BNX[..., 0])).square()
    assert float((sampler.state_dict()["value_SK"] - exact).abs().max()) < 0.2


def test_variance_is_taken_across_samples(grid: Any) -> None:
    points = grid(4, 4, batch=3)
    target = torch.randn(3, 16, 2, generator=rng())
    sampler = Importance(metric="variance", dense=True)
    sampler.refresh(Fields((points, torch.zeros(3, 16)), targets=target), START)
    expected = target.var(0, correction=0).sum(-1).sort().values
    assert torch.allclose(sampler.state_dict()["value_SK"][0].sort().values, expected)


def test_variance_refuses_points_that_are_not_shared(padded: Any) -> None:
    points = padded(9, 5)
    with pytest.raises(DataError, match="metric 'variance' compares samples point by point, but the samples .* do not"):
        Importance(metric="variance").refresh(Fields((points, torch.zeros(2, 9))), START)


def test_state_through_a_file(grid: Any) -> None:
    points = grid(16, 16, batch=2)
    sampler = Importance(block=8)
    sampler.refresh(Fields((points, peak(points))), START)
    file = io.BytesIO()
    torch.save(sampler.state_dict(), file)
    file.seek(0)
    fresh = Importance(block=8)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(drawn(fresh, points).index_BQ, drawn(sampler, points).index_BQ)
    assert not fresh.refresh_due(START)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Importance(block=16), "saved with block 16, but this sampler has 32; set block as in the saved run"),
        (Importance(metric="gradient", block=32), "saved with metric 'gradient', but this sampler has 'error'"),
    ],
)
def test_refuses_the_state_of_another_sampler(other: Importance, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Importance(block=32).load_state_dict(other.state_dict())


def test_blocks_are_as_small_as_their_number_allows(grid: Any) -> None:
    """The size goes into the state; a sampler that leaves it open takes it from there."""
    for shape, size in (((16, 16), 4), ((256, 256), 8), ((1024, 1024), 128)):
        points = grid(*shape)
        sampler, fresh = Importance(), Importance()
        sampler.refresh(Fields((points, torch.ones(1, points.num_points))), START)
        assert sampler.state_dict()["block"] == size
        fresh.load_state_dict(sampler.state_dict())
        assert torch.equal(drawn(fresh, points).index_BQ, drawn(sampler, points).index_BQ)


def test_diagnostics_tell_the_effective_share(grid: Any) -> None:
    points = grid(32, 32)
    sampler = Importance(block=4)
    assert sampler.diagnostics() == {}
    sampler.refresh(Fields((points, torch.ones(1, 1024))), START)
    drawn(sampler, points)
    assert sampler.diagnostics() == pytest.approx({"effective_share": 1.0, "largest_weight": 1.0})
    sampler.refresh(Fields((points, peak(points))), START)
    drawn(sampler, points)
    assert 0.3 < sampler.diagnostics()["effective_share"] < 0.9


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"metric": "residual"},
            "metric expected 'error', 'gradient', 'loss_gradient', 'target_gradient' or 'variance'; got 'residual'",
        ),
        ({"floor": 0.0}, r"floor must be greater than 0.0; got 0.0"),
        ({"decay": 1.0}, r"decay must be less than 1.0; got 1.0"),
        ({"block": 0}, "block must be at least 1; got 0"),
        ({"window": -1}, "window must be at least 0; got -1"),
        ({"directions": 0}, "directions must be at least 1; got 0"),
        ({"num_queries": 0}, "num_queries must be at least 1; got 0"),
        ({"window": 0, "dense": True}, "window 0 learns from visited points alone: it needs metric 'error'"),
        ({"window": 0, "metric": "gradient"}, "window 0 learns from visited points alone"),
    ],
)
def test_refuses(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Importance(**keywords)


@pytest.mark.gpu
def test_a_draw_does_not_wait_for_the_device(grid: Any, cuda: torch.device) -> None:
    points = grid(256, 256, batch=4).to(cuda)
    generator = torch.Generator(cuda).manual_seed(0)
    sampler = Importance()
    sampler.refresh(Fields((points, torch.rand(4, 256 * 256, device=cuda))), START)
    queries = sampler.draw(points, 512, generator, START)
    torch.cuda.set_sync_debug_mode("error")
    try:
        sampler.draw(points, 512, generator, START)
        sampler.observe(points, queries, torch.rand(4, 512, device=cuda))
    finally:
        torch.cuda.set_sync_debug_mode("default")
