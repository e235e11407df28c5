"""Supernodes and what they hear: the documented choice, every point, radius, periodic axes, padding, fair samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from upt_core import Points
from upt_models import hearing, neighbours
from upt_models.hearing import hearings
from upt_models.neighbours import Supernodes, default_radius, middles, shortest

MakeGrid = Callable[..., Points]
MakeScattered = Callable[..., Points]
OPEN = (False, False)


def lists(points: Points, need: Supernodes, row: int = 0) -> list[list[int]]:
    """The points that each supernode of a row hears."""
    _, real_BS, point_BM, start_BS, count_BS = points.get(need)
    return [
        point_BM[row, start : start + count].tolist()
        for start, count, real in zip(start_BS[row], count_BS[row], real_BS[row], strict=True)
        if real
    ]


def test_supernodes_are_the_middles_of_equal_stretches_of_the_order() -> None:
    assert middles(12, 3, torch.device("cpu")).tolist() == [2, 6, 10]
    assert middles(2, 5, torch.device("cpu")).tolist() == [0, 1]


def test_supernodes_are_spread_evenly(make_grid: MakeGrid) -> None:
    points = make_grid((16, 16), 1)
    supernode_BS = points.get(Supernodes(16, 4, None, OPEN))[0]
    block = (points.coords_BNX[0, supernode_BS[0]] * 4).floor()  # a Hilbert curve passes the 4 × 4 blocks one by one
    assert len({tuple(row) for row in block.tolist()}) == 16


@pytest.mark.parametrize("radius", [None, 0.15])
@pytest.mark.parametrize("periodic", [OPEN, (True, False), (True, True)])
def test_each_point_speaks_to_its_nearest_supernodes(
    make_scattered: MakeScattered, periodic: tuple[bool, ...], radius: float | None
) -> None:
    points = make_scattered(60, 2, periodic)
    need = Supernodes(10, 3, radius, periodic)
    supernode_BS = points.get(need)[0]
    for row in range(2):
        coords = points.coords_BNX[row]
        offset = (coords[:, None] - coords[supernode_BS[row]][None]).abs()
        offset = torch.where(torch.tensor(periodic), torch.minimum(offset, 1 - offset), offset)
        distance = offset.norm(dim=-1)
        expected: list[list[int]] = [[] for _ in range(10)]
        for point in points.locality_order_BN[row].tolist():
            for supernode in distance[point].argsort()[:3].tolist():
                if radius is None or distance[point, supernode] <= radius:
                    expected[supernode].append(point)
        assert lists(points, need, row) == expected
        assert radius is None or sum(map(len, expected)) < 180  # the radius leaves some unheard


def test_every_point_is_heard_where_points_lie_unevenly() -> None:
    coords = torch.cat([torch.rand(1, 500, 2) * 1e-3, torch.rand(1, 20, 2)], dim=1)
    heard = lists(Points(coords), Supernodes(16, 4, None, OPEN))
    assert sorted(point for own in heard for point in own) == sorted(list(range(520)) * 4)


@pytest.mark.parametrize("periodic", [OPEN, (True, False)])
def test_tree_and_distances_agree(monkeypatch: pytest.MonkeyPatch, periodic: tuple[bool, ...]) -> None:
    monkeypatch.setattr(neighbours, "MAX_DISTANCES", 100)  # in chunks of 100 / 20 = 5 points
    coords_NX, coords_SX = torch.rand(203, 2), torch.rand(20, 2)
    coords_NX[0] = torch.tensor([1.0, -1e-9])  # on the edge of the periodic box, and just outside
    for radius in (None, 0.2):
        answers = [
            search(coords_NX, coords_SX, periodic, 4, radius)
            for search in (neighbours._by_tree, neighbours._by_distances)
        ]
        assert torch.equal(*answers)


@pytest.mark.parametrize("length", [30, 12, 5, 1])
def test_a_padded_row_has_the_supernodes_that_it_has_alone(length: int) -> None:
    coords = torch.rand(2, 40, 2) * 0.5 + 0.3
    coords[1, length:] = 0  # outside the box of the real points
    padded, alone = Points(coords, lengths=(40, length)), Points(coords[1:2, :length])
    need = Supernodes(8, 4, None, OPEN)
    assert lists(padded, need, 1) == lists(alone, need)
    single = Points(coords[1:2], lengths=(length,))
    assert lists(single, need) == lists(alone, need)
    assert padded.get(need)[1].sum(1).tolist() == [8, min(8, length)]


def frequencies(points: Points, need: Supernodes, most: int, trials: int) -> tuple[Tensor, Tensor]:
    """How often each point is among those that supernode 0 hears, and each's chance."""
    seen = torch.zeros(points.num_points)
    for _ in range(trials):
        for part, index_BSK, heard_BSK in hearings(points, need, most):
            assert part == slice(None)
            heard = index_BSK[0, 0][heard_BSK[0, 0]]
            assert len(heard.unique()) == len(heard) == most
            seen[heard] += 1
    own = lists(points, need)[0]
    chance = torch.zeros(points.num_points)
    chance[own] = most / len(own)
    return seen / trials, chance


def test_a_sample_hears_each_point_equally_often() -> None:
    # 4000 trials: a frequency is off by more than 0.05 with probability 2 exp(-2 · 4000 · 0.0025) = 4e-9 (Hoeffding).
    torch.manual_seed(0)
    points = Points(torch.rand(1, 150, 2))
    seen, chance = frequencies(points, Supernodes(6, 2, None, OPEN), 8, 4000)
    assert (seen - chance).abs().max() < 0.05
    assert 0 < chance.max() < 1


def test_a_sample_of_short_lists_is_all_of_them(make_scattered: MakeScattered) -> None:
    points, need = make_scattered(40), Supernodes(10, 2, None, OPEN)
    [(_, index_BSK, heard_BSK)] = hearings(points, need, 99)
    for row in range(2):
        own = [index[heard].tolist() for index, heard in zip(index_BSK[row], heard_BSK[row], strict=True)]
        assert own == lists(points, need, row)


def test_all_points_are_heard_in_turns(make_scattered: MakeScattered, monkeypatch: pytest.MonkeyPatch) -> None:
    points, need = make_scattered(50), Supernodes(12, 3, None, OPEN)
    monkeypatch.setattr(hearing, "MAX_MESSAGES", 3 * 50)
    parts = list(hearings(points, need, None))
    assert len(parts) > 1
    own = [index[heard].tolist() for _, i, h in parts for index, heard in zip(i[1], h[1], strict=True)]
    assert own == lists(points, need, 1)


def test_shared_points_are_searched_and_heard_once(make_grid: MakeGrid) -> None:
    points, need = make_grid((8, 8), 5), Supernodes(16, 4, None, OPEN)
    assert [value.stride(0) for value in points.get(need)] == [0] * 5
    [(_, index_BSK, _)] = hearings(points, need, None)
    assert len(index_BSK) == 1


def test_replaced_coordinates_forget_what_was_found() -> None:
    points, need = Points(torch.rand(1, 30, 2)), Supernodes(4, 2, None, OPEN)
    before = lists(points, need)
    assert lists(replace(points, coords_BNX=torch.rand(1, 30, 2)), need) != before


def test_offsets_go_the_short_way() -> None:
    offset = torch.tensor([0.9, -0.9])
    torch.testing.assert_close(shortest(offset, (True, False)), torch.tensor([-0.1, -0.9]))
    torch.testing.assert_close(shortest(offset, (True, True)), torch.tensor([-0.1, 0.1]))
    assert shortest(offset, (False, False)) is offset


def test_more_than_three_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="supernodes need points with 1 to 3 axes, but these have 4"):
        default_radius(8, 4)


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("shape", [(12, 12), (15, 17), (20, 14), (33, 33), (24,), (9, 8, 7)])
@pytest.mark.parametrize("periodic", [False, True])
def test_rounding_of_coordinates_does_not_change_who_hears_a_grid(
    shape: tuple[int, ...], periodic: bool, on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a grid most points are equally near to several supernodes."""
    if not on_cpu:
        monkeypatch.setattr(neighbours, "_by_tree", neighbours._by_distances)
    ticks = [(torch.arange(size, dtype=torch.float64) + (0.5 * (not periodic))) / size for size in shape]
    grid_NX = torch.stack(torch.meshgrid(*ticks, indexing="ij"), -1).reshape(-1, len(shape))
    need = Supernodes(len(grid_NX) // 8, 4, None, (periodic,) * len(shape))
    expected = need.compute(Points(grid_NX.float()[None]))
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        noise_NX = 1e-7 * (2 * torch.rand(grid_NX.shape, generator=rng, dtype=torch.float64) - 1)
        for got, wanted in zip(need.compute(Points((grid_NX + noise_NX).float()[None])), expected, strict=True):
            assert torch.equal(got, wanted)
