"""Supernodes and neighbourhoods: the documented choice, nearest first, radius, periodic axes, padding, chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from upt_core import Points
from upt_models import neighbours
from upt_models.neighbours import choose_supernodes, default_radius, find_neighbourhoods, shortest

MakeGrid = Callable[..., Points]
MakeScattered = Callable[..., Points]


def test_supernodes_are_the_middles_of_equal_stretches_of_the_order() -> None:
    coords = torch.rand(1, 12, 2)
    points = Points(coords, order_BN=torch.arange(11, -1, -1).view(1, 12))
    chosen, real = choose_supernodes(points, 3)
    assert chosen.tolist() == [[9, 5, 1]]
    assert real is None


def test_supernodes_are_spread_evenly(make_grid: MakeGrid) -> None:
    points = make_grid((16, 16), 1)
    chosen, _ = choose_supernodes(points, 16)
    block = (points.coords_BNX[0, chosen[0]] * 4).floor()  # a Hilbert curve passes through the 4 × 4 blocks one by one
    assert len({tuple(row) for row in block.tolist()}) == 16


def test_a_row_with_fewer_points_than_supernodes_uses_each_point_once() -> None:
    coords = torch.rand(2, 10, 2)
    points = Points(coords, lengths=(10, 4), periodic=(False, False))
    chosen, real = choose_supernodes(points, 8)
    assert chosen.shape == (2, 8)
    assert real is not None
    assert real[0].all()
    assert sorted(chosen[1][real[1]].tolist()) == [0, 1, 2, 3]
    all_points, everyone = choose_supernodes(replace(points, lengths=None), 99)
    assert all_points.shape == (2, 10)
    assert everyone is None


@pytest.mark.parametrize("periodic", [(False, False), (True, False), (True, True)])
def test_neighbours_are_those_of_a_plain_search(make_scattered: MakeScattered, periodic: tuple[bool, ...]) -> None:
    points = make_scattered(60, 2, periodic)
    near = find_neighbourhoods(points, periodic, 10, radius=0.2, max_neighbours=7)
    chosen, _ = choose_supernodes(points, 10)
    for row in range(2):
        for s in range(10):
            offset = (points.coords_BNX[row] - points.coords_BNX[row, chosen[row, s]]).abs()
            offset = torch.where(torch.tensor(periodic), torch.minimum(offset, 1 - offset), offset)
            distance = offset.norm(dim=-1)
            inside = distance.argsort()[: min(7, int((distance <= 0.2).sum()))]
            heard = near.heard_BSK[row, s]
            assert near.index_BSK[row, s][heard].tolist() == inside.tolist()
            torch.testing.assert_close(near.distance_BSK[row, s][heard], distance[inside], atol=1e-6, rtol=1e-5)
            assert near.index_BSK[row, s, 0] == chosen[row, s]  # itself, always


def test_offsets_go_the_short_way() -> None:
    offset = torch.tensor([0.9, -0.9])
    torch.testing.assert_close(shortest(offset, (True, False)), torch.tensor([-0.1, -0.9]))
    torch.testing.assert_close(shortest(offset, (True, True)), torch.tensor([-0.1, 0.1]))
    assert shortest(offset, (False, False)) is offset


def test_padding_is_never_heard() -> None:
    coords = torch.rand(2, 30, 2)
    coords[1, 20:] = coords[1, :10]  # padding lies on real points, as near as can be
    points = Points(coords, lengths=(30, 20), periodic=(False, False))
    near = find_neighbourhoods(points, (False, False), 8, radius=2.0, max_neighbours=30)
    assert near.index_BSK[1][near.heard_BSK[1]].max() < 20
    assert near.heard_BSK[0].sum(-1).tolist() == [30] * 8
    assert near.heard_BSK[1].sum(-1).tolist() == [20] * 8


def test_chunks_do_not_change_the_result(make_scattered: MakeScattered, monkeypatch: pytest.MonkeyPatch) -> None:
    points = make_scattered(50)
    whole = find_neighbourhoods(points, (False, True), 20, 0.3, 8)
    monkeypatch.setattr(neighbours, "MAX_DISTANCES", 3 * 2 * 50)
    parts = find_neighbourhoods(points, (False, True), 20, 0.3, 8)
    assert torch.equal(whole.index_BSK, parts.index_BSK)


def test_shared_points_are_searched_once(make_grid: MakeGrid) -> None:
    assert find_neighbourhoods(make_grid((8, 8), 5), (False, False), 16, 0.2, 8).index_BSK.shape == (1, 16, 8)


@pytest.mark.parametrize(("axes", "overlap"), [(1, 2.3), (2, 4.0), (3, 6.0)])
def test_the_default_radius_hears_each_point_as_often_as_documented(axes: int, overlap: float) -> None:
    # A periodic box of uniform points: the mean neighbourhood has overlap · N / S points. Mean of 100 neighbourhoods
    # of about 92 points or more: standard error below 2 %, so 10 % is five of them (false alarm below 1e-6).
    points = Points(torch.rand(1, 4000, axes))
    near = find_neighbourhoods(points, (True,) * axes, 100, default_radius(100, axes), 4000)
    assert near.heard_BSK.sum(-1).float().mean().item() == pytest.approx(overlap * 40, rel=0.1)


def test_more_than_three_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="supernodes need points with 1 to 3 axes, but these have 4"):
        default_radius(8, 4)
