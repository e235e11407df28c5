"""Ratio, cosine, linear: the exact formulas, few different counts, everything else left to the base."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from upt_core import LocalityOrder, Progress
from upt_samplers.cosine import Cosine
from upt_samplers.importance import Importance
from upt_samplers.linear import Linear
from upt_samplers.mathematics.budget import queries_of_ratio
from upt_samplers.ratio import Ratio
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform


def at(epoch: int, num_epochs: int = 100) -> Progress:
    return Progress(epoch=epoch, num_epochs=num_epochs)


@pytest.mark.parametrize(
    ("ratio", "num_points", "multiple", "count"),
    [
        (0.29, 100, 1, 29),  # 0.29 * 100 is 28.999999999999996
        (0.3, 4096, 1, 1228),
        (0.3, 4096, 64, 1216),
        (0.5, 4096, 64, 2048),
        (0.1, 4096, 64, 409),  # below 8 multiples: exact
        (0.1, 256, 64, 25),
        (1e-9, 7, 64, 1),
        (1.0, 7, 64, 7),
        (1.0, 4099, 64, 4099),
        (0.999, 4096, 64, 4096),
        (0.3, 2**40, 1, int(0.3 * 2**40)),
    ],
)
def test_count_of_a_ratio(ratio: float, num_points: int, multiple: int, count: int) -> None:
    assert queries_of_ratio(ratio, num_points, multiple) == count
    assert Ratio(ratio, multiple=multiple).count(num_points, at(0)) == count


def test_rounding_never_changes_a_count_by_more_than_a_sixteenth() -> None:
    for num_points in (100, 1000, 4096, 32392):
        for percent in range(1, 100):
            exact = queries_of_ratio(percent / 100, num_points, 1)
            assert abs(queries_of_ratio(percent / 100, num_points, 64) - exact) <= exact / 16
            assert exact == max(1, percent * num_points // 100)


def test_ratio_one_takes_all_points(grid: Any) -> None:
    assert Ratio(1.0).sample(grid(5, 7), torch.Generator(), at(0)).index_BQ is None


@pytest.mark.parametrize(
    ("kind", "shape"), [(Cosine, lambda t: (1 + math.cos(math.pi * t)) / 2), (Linear, lambda t: 1 - t)]
)
def test_ramp_follows_its_formula(kind: Any, shape: Any) -> None:
    sampler = kind(start_ratio=1.0, end_ratio=0.2, start_epoch=10, levels=8)
    ratios = [sampler.ratio_at(at(epoch)) for epoch in range(100)]
    assert ratios[:11] == [1.0] * 11
    assert ratios[99] == 0.2
    assert ratios == sorted(ratios, reverse=True)
    assert len(set(ratios)) <= 8
    for epoch in range(10, 99):
        exact = 0.2 + 0.8 * shape((epoch - 10) / 89)
        assert abs(ratios[epoch] - exact) <= 0.8 / 14 + 1e-12


def test_many_levels_are_the_curve_itself() -> None:
    sampler = Cosine(start_ratio=1.0, end_ratio=0.2, start_epoch=0, end_epoch=50, levels=10**9)
    assert sampler.ratio_at(at(25)) == pytest.approx(0.6)
    assert sampler.ratio_at(at(10)) == pytest.approx(0.2 + 0.4 * (1 + math.cos(math.pi / 5)), abs=1e-8)


@pytest.mark.parametrize("num_points", [4096, 32392, 65536])
def test_few_counts_occur(num_points: int) -> None:
    counts = {Cosine().count(num_points, at(epoch)) for epoch in range(100)}
    assert len(counts) <= 8
    assert max(counts) == num_points


def test_ramp_may_rise_and_short_runs_stay_at_the_start() -> None:
    assert Cosine(start_ratio=0.2, end_ratio=1.0).count(100, at(99)) == 100
    assert {Cosine().ratio_at(at(epoch, 5)) for epoch in range(5)} == {1.0}
    assert Cosine(start_epoch=3, end_epoch=3).ratio_at(at(3)) == 0.2


def test_the_base_chooses(grid: Any) -> None:
    points = grid(32, 32, batch=2)
    base = Stratified(num_queries=5)
    wrapped = Ratio(0.5, base=base).sample(points, torch.Generator().manual_seed(1), at(0))
    direct = base.draw(points, 512, torch.Generator().manual_seed(1), at(0))
    assert torch.equal(wrapped.index_BQ, direct.index_BQ)
    assert Ratio(0.5, base=base).needs == (LocalityOrder(),)
    assert Ratio(0.5).needs == ()
    assert isinstance(Ratio(0.5).base, Uniform)


def test_an_adaptive_base_stays_adaptive() -> None:
    base = Importance()
    wrapped = Cosine(base=base)
    assert wrapped.adaptive
    assert wrapped.refresh_due(at(1)) == base.refresh_due(at(1))
    assert wrapped.state_dict() == base.state_dict()
    wrapped.load_state_dict(base.state_dict())
    with pytest.raises(ValueError, match="Uniform has no state, but a saved state has: x"):
        Ratio(0.5).load_state_dict({"x": 1})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ratio(0.0), r"ratio must be greater than 0.0; got 0.0"),
        (lambda: Ratio(1.5), r"ratio must be at most 1.0; got 1.5"),
        (lambda: Ratio(0.5, multiple=0), "multiple must be at least 1; got 0"),
        (lambda: Cosine(end_ratio=-1), "end_ratio must be greater than 0.0; got -1"),
        (lambda: Cosine(start_ratio=float("nan")), "start_ratio must be at most 1.0; got NaN"),
        (lambda: Cosine(levels=1), "levels must be at least 2; got 1"),
        (lambda: Linear(start_epoch=-1), "start_epoch must be at least 0; got -1"),
        (lambda: Cosine(start_epoch=10, end_epoch=5), r"end_epoch \(5\) is before start_epoch \(10\)"),
    ],
)
def test_refuses(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
