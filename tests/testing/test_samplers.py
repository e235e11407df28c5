"""The kit for samplers refuses every sampler that is known to be wrong, and says why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from upt_core import Points, Probe, Progress, Queries, Sampler
from upt_core.testing import ConformanceError, check_sampler

Choose = Callable[[Points, int, torch.Generator], Queries]


class Chosen(Sampler):
    """A sampler whose draw is a function."""

    def __init__(self, choose: Choose, num_queries: Any = 64) -> None:
        self.choose = choose
        self.num_queries = num_queries

    def count(self, num_points: int, progress: Progress) -> int:
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        return self.choose(points, count, rng)


def lengths(points: Points) -> list[int]:
    return list(points.lengths or [points.num_points] * points.batch_size)


def by_row(choose_row: Callable[[int, int, torch.Generator, Points], Tensor]) -> Choose:
    """Rows drawn one by one; short rows take all of their points."""

    def choose(points: Points, count: int, rng: torch.Generator) -> Queries:
        index, weight = [], []
        for length in lengths(points):
            if length <= count:
                index.append(torch.arange(count).clamp_max(length - 1))
                weight.append(torch.where(torch.arange(count) < length, count / length, 0.0))
            else:
                index.append(choose_row(length, count, rng, points))
                weight.append(torch.ones(count))
        return Queries(torch.stack(index), torch.stack(weight))

    return choose


def good_row(length: int, count: int, rng: torch.Generator, points: Points) -> Tensor:
    """Exact, at a cost that does not grow: draws until enough are distinct. The spy does not see that it reads."""
    found: dict[int, None] = {}
    while len(found) < count:
        found |= dict.fromkeys(np.from_dlpack(torch.randint(length, (count,), generator=rng)).tolist())
    return torch.tensor(list(found)[:count])


def block_row(length: int, count: int, rng: torch.Generator | None, points: Points, *, distinct: bool) -> Tensor:
    """Blocks of H // int(√Q) points along each axis, the last one taking the rest, equally many from each block; what
    is then missing is drawn from everywhere."""
    height, width = points.grid_shape if points.grid_shape and len(points.grid_shape) == 2 else (length, 1)
    rows, columns = min(height, max(1, math.isqrt(count))), min(width, max(1, math.isqrt(count)))
    each = max(1, count // (rows * columns))
    taken = []
    for i in range(rows):
        for j in range(columns):
            top, bottom = i * (height // rows), height if i == rows - 1 else (i + 1) * (height // rows)
            left, right = j * (width // columns), width if j == columns - 1 else (j + 1) * (width // columns)
            block = torch.arange(top, bottom).unsqueeze(1) * width + torch.arange(left, right)
            taken.append(block.flatten()[torch.randperm(block.numel(), generator=rng)[:each]])
    index = torch.cat(taken)[:count]
    others = torch.randperm(length, generator=rng)
    if distinct:
        others = others[torch.isin(others, index).int().argsort(stable=True)]
    return torch.cat([index, others[: count - len(index)]])


def blocks_as_they_were(points: Points, count: int, rng: torch.Generator) -> Queries:
    """The replaced system's sampler: global random state, one index for all rows."""
    index = block_row(points.num_points, count, None, points, distinct=False)
    return Queries(index.expand(points.batch_size, -1).contiguous())


def gap_row(length: int, count: int, rng: torch.Generator, points: Points) -> Tensor:
    """Sorted uniform numbers plus their ranks: distinct, and nearly uniform."""
    uniform = torch.rand(count, generator=rng, dtype=torch.float64).sort().values
    return (uniform * (length - count + 1)).long() + torch.arange(count)


def unrotated_row(length: int, count: int, rng: torch.Generator, points: Points) -> Tensor:
    edge = torch.arange(count + 1) * length // count
    return edge[:-1] + (torch.rand(count, generator=rng) * edge.diff()).long()


def last_missed_row(length: int, count: int, rng: torch.Generator, points: Points) -> Tensor:
    return good_row(max(count, length - 1), count, rng, points)


def with_replacement(points: Points, count: int, rng: torch.Generator) -> Queries:
    return Queries(torch.randint(points.num_points, (points.batch_size, count), generator=rng))


def favoured(points: Points) -> Tensor:
    return torch.linspace(1, 9, points.num_points, dtype=torch.float64).expand(points.batch_size, -1)


def race(points: Points, count: int, rng: torch.Generator) -> Tensor:
    """Weighted sampling without replacement by exponential races: what torch.multinomial does."""
    return (torch.empty(points.coords_BNX.shape[:2]).exponential_(generator=rng) / favoured(points)).argsort(1)[
        :, :count
    ]


def unweighted_importance(points: Points, count: int, rng: torch.Generator) -> Queries:
    return Queries(race(points, count, rng))


def naive_weights(points: Points, count: int, rng: torch.Generator) -> Queries:
    """1 / (N p), as if drawn with replacement."""
    index = race(points, count, rng)
    share = favoured(points) / favoured(points).sum(1, keepdim=True)
    return Queries(index, (1 / (points.num_points * share.gather(1, index))).float())


def self_normalised(points: Points, count: int, rng: torch.Generator) -> Queries:
    queries = naive_weights(points, count, rng)
    assert queries.weight_BQ is not None
    return Queries(queries.index_BQ, queries.weight_BQ / queries.weight_BQ.mean(1, keepdim=True))


def doubled_weights(points: Points, count: int, rng: torch.Generator) -> Queries:
    queries = by_row(good_row)(points, count, rng)
    assert queries.weight_BQ is not None
    return Queries(queries.index_BQ, queries.weight_BQ * 2)


def permutation(points: Points, count: int, rng: torch.Generator) -> Queries:
    key = torch.rand(points.coords_BNX.shape[:2], generator=rng)
    if points.mask_BN is not None:
        return by_row(good_row)(points, count, rng)
    return Queries(key.argsort(1)[:, :count])


def reading(points: Points, count: int, rng: torch.Generator) -> Queries:
    assert int(torch.randint(2, (1,), generator=rng)) >= 0
    return by_row(good_row)(points, count, rng)


def listing(points: Points, count: int, rng: torch.Generator) -> Queries:
    """On the CPU torch runs no operation for ``tolist``; on a GPU it waits."""
    assert len(torch.ones(3, device=points.device).tolist()) == 3
    return by_row(good_row)(points, count, rng)


class Table(Chosen):
    """Adaptive; one table of scores, for the points of the last refresh alone."""

    def __init__(self) -> None:
        super().__init__(by_row(good_row))
        self.score_SN = torch.ones(2, 1)

    @property
    def adaptive(self) -> bool:
        return True

    def refresh(self, probe: Probe, progress: Progress) -> None:
        self.score_SN = next(iter(probe.targets()))[1][..., 0]

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        assert points.coords_BNX[..., 0].shape == self.score_SN.shape, "another number of points"
        return self.choose(points, count, rng)

    def state_dict(self) -> dict[str, Any]:
        return {"score_SN": self.score_SN.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.score_SN = state["score_SN"]


def masking(points: Points, count: int, rng: torch.Generator) -> Queries:
    queries = by_row(good_row)(points, count, rng)
    assert queries.index_BQ is not None
    assert len(queries.index_BQ[queries.index_BQ >= 0]) > 0
    return queries


def shared_rows(points: Points, count: int, rng: torch.Generator) -> Queries:
    if points.lengths is not None:
        return by_row(good_row)(points, count, rng)
    row = good_row(points.num_points, count, rng, points)
    return Queries(row.expand(points.batch_size, -1).contiguous())


def global_state(points: Points, count: int, rng: torch.Generator) -> Queries:
    return by_row(lambda n, q, _, points: torch.randperm(n)[:q])(points, count, rng)


def constant(points: Points, count: int, rng: torch.Generator) -> Queries:
    return by_row(good_row)(points, count, torch.Generator().manual_seed(3))


def no_padding(points: Points, count: int, rng: torch.Generator) -> Queries:
    return Queries(torch.stack([good_row(points.num_points, count, rng, points) for _ in range(points.batch_size)]))


def squares_only(points: Points, count: int, rng: torch.Generator) -> Queries:
    if points.grid_shape is not None and len(points.grid_shape) != 2:
        raise NotImplementedError("two axes")
    return by_row(good_row)(points, count, rng)


def one_row(points: Points, count: int, rng: torch.Generator) -> Queries:
    return Queries(good_row(points.num_points, count, rng, points).unsqueeze(0))


def double_weights(points: Points, count: int, rng: torch.Generator) -> Queries:
    index = no_padding(points, count, rng).index_BQ
    assert index is not None
    return Queries(index, torch.ones(index.shape, dtype=torch.float64))


def infinite_weights(points: Points, count: int, rng: torch.Generator) -> Queries:
    index = no_padding(points, count, rng).index_BQ
    assert index is not None
    return Queries(index, torch.full(index.shape, torch.inf))


def one_row_without_mask(points: Points, count: int, rng: torch.Generator) -> Queries:
    """Takes one row for points without padding."""
    return by_row(good_row)(replace(points, lengths=None) if points.batch_size == 1 else points, count, rng)


def measured_row(length: int, count: int, rng: torch.Generator, points: Points) -> Tensor:
    """Points of a large cell come more often, which ``sample`` sees to already."""
    if points.measure_BN is None:
        return good_row(length, count, rng, points)
    chance = torch.rand(length, generator=rng).log() / points.measure_BN[0, :length]  # an exponential race
    return chance.topk(count).indices


class OwnGenerator(Chosen):
    """Keeps a generator instead of using the given one."""

    def __init__(self) -> None:
        super().__init__(by_row(good_row))
        self.seed = 0

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        self.seed += 1
        return self.choose(points, count, torch.Generator().manual_seed(self.seed))


class Counting(Chosen):
    """Its draws depend on the size of the points it drew from before."""

    def __init__(self) -> None:
        super().__init__(by_row(good_row))
        self.last = 0

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        queries = self.choose(points, count, rng)
        assert queries.index_BQ is not None
        index = queries.index_BQ.flip(1) if self.last not in (0, points.num_points) else queries.index_BQ
        self.last = points.num_points
        return Queries(index, None if queries.weight_BQ is None or points.lengths is None else queries.weight_BQ)


class Forgetful(Chosen):
    """Adaptive; keeps what it learns out of its state, or puts there what cannot be loaded."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__(by_row(good_row))
        self.state = dict(state)
        self.turn = 0

    @property
    def adaptive(self) -> bool:
        return True

    def refresh(self, probe: Probe, progress: Progress) -> None:
        self.turn = 1

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        queries = self.choose(points, count, rng)
        assert queries.index_BQ is not None
        if points.lengths is not None:
            return queries
        return Queries((queries.index_BQ + self.turn) % points.num_points)

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


WRONG: dict[str, tuple[Sampler, str]] = {
    "blocks as they were": (Chosen(blocks_as_they_were), r"distinct: \d+ of \d+ query points in row 0 are repeated"),
    "blocks": (
        Chosen(by_row(lambda *row: block_row(*row, distinct=True))),
        r"cost: a draw of 1024 of a grid of .* makes a tensor of",
    ),
    "with replacement": (Chosen(with_replacement), r"distinct: .*\n    expected: no point twice in a row"),
    "permutation": (Chosen(permutation), r"cost: a draw of 1024 of a grid of 1048576 makes a tensor of 2097152"),
    "reading": (Chosen(reading), r"no waiting: draw\(\) on a grid of 1048576 reads values on the device: _local_sc"),
    "listing": (Chosen(listing), r"no waiting: draw\(\) .* device: tolist\n(?s:.*)index a tensor with sample_id_B"),
    "masking": (Chosen(masking), r"no waiting: draw\(\) .* reads values on the device: index"),
    "shared rows": (Chosen(shared_rows), r"rows: row 0 and row 1 of a grid of 25 × 40 got the same query points"),
    "global random state": (Chosen(global_state), r"global random state: a draw of a grid of 25 × 40 advanced"),
    "constant": (Chosen(constant), r"another draw for another seed: the same query points"),
    "padding": (
        Chosen(no_padding),
        r"range: numbers from \d+ to \d+ in row \d at 1 of padded rows of 13, 9, 4, 1 points\n",
    ),
    "padding of one row": (
        Chosen(one_row_without_mask),
        r"range: numbers from \d+ to \d+ in row 0 at \d+ of padded rows of 5 points\n",
    ),
    "squares only": (
        Chosen(squares_only),
        r"draw: NotImplementedError \(two axes\) at 1 of a grid of 2, in testing/test_samplers.py, line \d+\n",
    ),
    "one row": (
        Chosen(one_row),
        r"index: index of shape \(1, 1\) and type torch.int64 at 1 of a grid of 2\n.*\(2, 1\)",
    ),
    "double weights": (Chosen(double_weights), r"weight: weight of shape \(2, 1\), type torch.float64, on cpu"),
    "infinite weights": (Chosen(infinite_weights), r"weight: weights from inf to inf at 1 of a grid of 2"),
    "own generator": (OwnGenerator(), r"same seed, same draw: another draw of a grid of 25 × 40"),
    "counting": (Counting(), r"history: another draw of a grid of 25 × 40 after draws from other points"),
    "a table for some points": (
        Table(),
        r"draw: AssertionError \(another number of points(?s:.*)\) at 61 of other points than before, 600 a sample, ",
    ),
    "forgetful": (Forgetful({}), r"state: another draw after state_dict\(\) → file → load_state_dict\(\)"),
    "unloadable": (Forgetful({"f": Forgetful}), r"state: \w+ when state_dict\(\) goes through torch.save"),
    "no queries": (Chosen(by_row(good_row), 0), r"count: 0 query points of 1 in epoch 0\n    expected: an int ≥ 1"),
    "half a query": (Chosen(by_row(good_row), 2.5), r"count: 2.5 query points of 1 in epoch 0"),
}

BIASED: dict[str, tuple[Choose, str]] = {
    "blocks": (
        by_row(lambda *row: block_row(*row, distinct=True)),
        r"unbiased mean: the field '.*' is off by the factor [\d.]+: .* over 2000 draws of 24 of a grid of 9 × 7, "
        r"all rows",
    ),
    "gaps": (
        by_row(gap_row),
        r"unbiased mean: the field '.*' is off by the factor [\d.]+: its weighted mean is 0.* over 2000 draws",
    ),
    "unrotated strata": (by_row(unrotated_row), r"unbiased mean: .* of a grid of 7, all rows"),
    "last point missed": (
        by_row(last_missed_row),
        r"unbiased mean: the field '.*' is off by the factor 0.000: .* of 3 of a grid of 7, all rows",
    ),
    "by measure": (by_row(measured_row), r"unbiased mean: .* over 2000 draws of 9 of 23 scattered points"),
    "doubled weights": (
        doubled_weights,
        r"unbiased mean: the field '.*' is off by the factor 2\.0\d\d: (?s:.*)so large a difference by chance is "
        r"below 2e-300",
    ),
}

BIASED_UNPADDED: dict[str, tuple[Choose, str]] = {
    "unweighted importance": (unweighted_importance, r"unbiased mean: the field '.*' is off by the factor"),
    "naive weights": (
        naive_weights,
        r"unbiased mean: the field '.*' is off by the factor (?s:.*)\n    cure: correct the selection, or weight",
    ),
    "self-normalised weights": (self_normalised, r"unbiased mean: the field '.*' is off by the factor .* over 2000"),
}


@pytest.mark.parametrize("name", WRONG)
def test_kit_refuses_wrong_samplers(name: str) -> None:
    sampler, message = WRONG[name]
    with pytest.raises(ConformanceError, match=message):
        check_sampler(sampler)


@pytest.mark.parametrize("name", BIASED)
def test_kit_refuses_biased_samplers(name: str) -> None:
    choose, message = BIASED[name]
    with pytest.raises(ConformanceError, match=message):
        check_sampler(Chosen(choose), growth=10)


@pytest.mark.parametrize("name", BIASED_UNPADDED)
def test_kit_refuses_wrong_weights(name: str) -> None:
    choose, message = BIASED_UNPADDED[name]
    with pytest.raises(ConformanceError, match=message):
        check_sampler(Chosen(choose), growth=10, takes=("grid", "scattered"))


def test_bias_of_means_alone_is_found_where_points_repeat() -> None:
    """Without distinctness the frequencies declare nothing; the means remain."""

    def doubled(points: Points, count: int, rng: torch.Generator) -> Queries:
        index = with_replacement(points, count, rng).index_BQ
        return Queries(index, torch.full((points.batch_size, count), 1.2))

    check_sampler(Chosen(with_replacement), distinct=False, takes=("grid", "scattered"))
    with pytest.raises(ConformanceError, match=r"the field '.*' is off by the factor 1\.2\d\d: .* of a grid of 7"):
        check_sampler(Chosen(doubled), distinct=False, takes=("grid", "scattered"))


def test_kit_passes_a_right_sampler_and_leaves_it_alone() -> None:
    """Chance of failure: 1e-6."""
    sampler = Counting()
    sampler.draw = lambda points, count, rng, progress: sampler.choose(points, count, rng)  # type: ignore[method-assign]
    check_sampler(sampler)
    assert sampler.last == 0


def test_every_failure_says_what_to_do() -> None:
    with pytest.raises(ConformanceError, match=r"\n    cure: draw without replacement") as caught:
        check_sampler(Chosen(with_replacement))
    assert caught.value.check == "distinct"
    assert caught.value.cure.startswith("draw without replacement")
