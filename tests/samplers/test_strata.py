"""Rotated strata: exact inclusion probabilities by enumeration, coverage of every stratum, rows that share the work."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch

from upt_core import Points, Progress
from upt_samplers.mathematics.integers import coupled_uniforms, random_below
from upt_samplers.mathematics.strata import strata_positions
from upt_samplers.stratified import Stratified


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("num_points", "count"), [(7, 3), (23, 7), (64, 24), (10, 9), (5, 1)])
def test_inclusion_probability_is_exact(num_points: int, count: int) -> None:
    """The proof, in numbers: strata of the module's edges, every turn, every point of a stratum equally likely."""
    edge = [k * num_points // count for k in range(count + 1)]
    chance = [Fraction(0)] * num_points
    for turn in range(num_points):
        for low, high in pairwise(edge):
            for place in range(low, high):
                chance[(place + turn) % num_points] += Fraction(1, num_points * (high - low))
    assert set(chance) == {Fraction(count, num_points)}


@pytest.mark.parametrize(("num_points", "count"), [(7, 3), (4096, 1000), (2**40, 64), (2**22 + 1, 2048)])
def test_one_position_in_each_rotated_stratum(num_points: int, count: int) -> None:
    position = strata_positions(num_points, count, 3, rng(), "independent")
    assert int(position.min()) >= 0
    assert int(position.max()) < num_points
    for row in position:
        gaps = torch.diff(row.sort().values)
        assert int(gaps.min()) >= 1
        assert int(gaps.max()) <= 2 * -(-num_points // count)


def test_latin_rows_cover_each_stratum_together() -> None:
    """Eight rows, strata of eight points: after the common turn each point of each stratum is drawn once."""
    position = strata_positions(8 * 50, 50, 8, rng(), "latin")
    assert len(position.unique()) == 400


def test_latin_rows_do_not_lie_on_one_line_of_a_grid() -> None:
    """8 rows at 64 points of 64 x 64: a stratum is a square of 8 x 8 points, and its eighth is one of its lines."""
    axis = torch.arange(64) / 64
    coords = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, 4096, 2)
    points = Points(coords.expand(8, -1, -1), grid_shape=(64, 64))
    for seed in range(5):
        index_BQ = Stratified(64).draw(points, 64, rng(seed), Progress()).index_BQ
        assert index_BQ is not None
        for coordinate_BQ in (index_BQ // 64, index_BQ % 64):
            different = [len(set(column.tolist())) for column in coordinate_BQ.T]
            assert sum(different) / 64 > 5  # on one line it is 1 or 2 along one axis


def test_latin_fractions_are_uniform_in_each_row_and_even_in_each_column() -> None:
    uniform_BQ = coupled_uniforms(4, 10_000, rng(), "latin")
    assert torch.equal((uniform_BQ * 4).long().sort(0).values, torch.arange(4).unsqueeze(1).expand(4, 10_000))
    assert float((uniform_BQ.mean(1) - 0.5).abs().max()) < 0.015  # 5 standard deviations: chance 3e-6
    assert float(uniform_BQ.max()) < 1


def test_random_below_takes_a_bound_for_each_row() -> None:
    value = random_below(torch.tensor([[1], [3]]), (2, 300), rng())
    assert set(value[0].tolist()) == {0}
    assert set(value[1].tolist()) == {0, 1, 2}
