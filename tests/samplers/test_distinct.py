"""Distinct uniform draws: exactly uniform, also in pairs and in order; enough draws; a defined answer when not."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import stats

from upt_samplers.mathematics.distinct import distinct_points, distinct_points_padded, draws_needed, first_distinct
from upt_samplers.mathematics.integers import random_below


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("num_points", "count"), [(5, 2), (9, 3), (60, 2)])
def test_every_ordered_choice_is_equally_likely(num_points: int, count: int) -> None:
    """Chi-square over all ordered choices, from the sparse algorithm. Chance of failure: 1e-6 each."""
    draws = 200_000
    index = first_distinct(num_points, count, draws, 40 if num_points < 60 else 12, rng())
    code = torch.zeros(draws, dtype=torch.int64)
    for column in index.unbind(1):
        code = code * num_points + column
    seen = torch.bincount(code, minlength=num_points**count)
    possible = [
        sum(v * num_points ** (count - 1 - k) for k, v in enumerate(choice))
        for choice in itertools.permutations(range(num_points), count)
    ]
    assert int(seen[possible].sum()) == draws
    assert stats.chisquare(seen[possible].numpy()).pvalue > 1e-6


@pytest.mark.parametrize(
    ("num_points", "count"), [(2, 1), (7, 6), (100, 33), (100, 34), (4096, 2048), (70_000, 20_000)]
)
@pytest.mark.parametrize("batch", [1, 3])
def test_distinct_and_in_range(num_points: int, count: int, batch: int) -> None:
    index = distinct_points(num_points, count, batch, rng())
    assert index.shape == (batch, count)
    assert index.dtype == torch.int64
    assert int(index.min()) >= 0
    assert int(index.max()) < num_points
    assert all(len(row.unique()) == count for row in index)


def test_any_number_of_points_up_to_2_to_the_40() -> None:
    index = distinct_points(2**40, 1000, 2, rng())
    assert all(len(row.unique()) == 1000 for row in index)
    assert int(index.max()) > 2**39


def test_the_first_distinct_draws_in_their_order() -> None:
    """Against a loop over the same draws; rows of different lengths; what a decoder gathers by is contiguous."""
    lengths = torch.tensor([[40], [7], [2**40]])
    draws = random_below(lengths, (3, 60), rng())
    expected = [list(dict.fromkeys(row.tolist()))[:5] for row in draws]
    index = first_distinct(lengths, 5, 3, 60, rng())
    assert index.tolist() == expected
    assert index.is_contiguous()


def test_large_ranges_are_even() -> None:
    """Thirds of a range that 32 random bits cannot reach evenly. Chance of failure: 1e-6."""
    num_points = 3 * 2**30
    index = distinct_points(num_points, 30_000, 1, rng())
    seen = torch.bincount((index // 2**30).flatten(), minlength=3)
    assert stats.chisquare(seen.numpy()).pvalue > 1e-6


@pytest.mark.parametrize(("num_points", "count"), [(3, 1), (12, 4), (300, 100), (2**15, 2048), (2**24, 2048)])
def test_draws_needed_is_enough_and_not_wasteful(num_points: int, count: int) -> None:
    """The bound against the exact chance of failure, where that is small work, and against the mean number of draws."""
    draws = draws_needed(num_points, count)
    mean = sum(num_points / (num_points - i) for i in range(count))
    spread = math.sqrt(sum(num_points * i / (num_points - i) ** 2 for i in range(count)))
    assert mean <= draws < mean + 14 * spread + 60
    if num_points <= 300:
        chance = torch.zeros(count + 1, dtype=torch.float64)  # of having found i distinct points
        chance[0] = 1
        found = torch.arange(count + 1, dtype=torch.float64) / num_points
        for _ in range(draws):
            step = chance[:count] * (1 - found[:count])
            chance = torch.cat([chance[:count] * found[:count], chance[count:]])
            chance[1:] += step
        assert float(chance[:count].sum()) <= 2.0**-60


def test_too_few_draws_repeat_points_but_stay_in_range() -> None:
    index = first_distinct(1000, 5, 200, 3, rng())
    assert index.shape == (200, 5)
    assert int(index.max()) < 1000
    assert int(index.min()) >= 0


def test_padded_rows_stay_below_their_length() -> None:
    lengths = (40_000, 900, 350, 101, 100)
    index = distinct_points_padded(lengths, torch.tensor(lengths).unsqueeze(1), 100, rng())
    for row, length in zip(index, lengths, strict=True):
        assert int(row.max()) < length
        assert len(row.unique()) == 100


def test_more_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match=r"8,388,608 of 1,099,511,627,776 points are too many .* take fewer"):
        first_distinct(2**40, 2**23, 1, 2**23, rng())
