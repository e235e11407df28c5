"""The designs that samplers are compared with are unbiased, as their docstrings say; two levels are one in disguise."""

from __future__ import annotations

import pytest
import torch

from upt_bench.designs import Lattice, Patches, TwoLevels, designs, sides
from upt_bench.setting import PROGRESS, Setting, grid_without_memory
from upt_core.points import Queries

SETTING = Setting(torch.device("cpu"))
DESIGNS = designs(SETTING)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("shape", [(16, 16), (8, 32)])
def test_weighted_visits_of_every_point_are_even(name: str, shape: tuple[int, int]) -> None:
    """20,000 draws of 64 of 256 points, within 6 standard deviations: a false alarm has probability 5e-7."""
    rows, count = 20_000, 64
    points = grid_without_memory(shape, rows, SETTING.device)
    queries = DESIGNS[name].draw(points, count, SETTING.rng(), PROGRESS)
    assert queries.index_BQ is not None
    assert queries.index_BQ.shape == (rows, count)
    weight_BQ = torch.ones(rows, count) if queries.weight_BQ is None else queries.weight_BQ
    visits_BN = torch.zeros(rows, 256).scatter_add_(1, queries.index_BQ, weight_BQ)
    deviation_N = visits_BN.std(0) / rows**0.5
    assert bool(((visits_BN.mean(0) - count / 256).abs() <= 6 * deviation_N + 1e-6).all())


def test_a_lattice_meets_every_mesh_once() -> None:
    points = grid_without_memory((24, 16), 50, SETTING.device)
    index_BQ = Lattice().draw(points, 12, SETTING.rng(), PROGRESS).index_BQ
    assert index_BQ is not None
    mesh_BQ = index_BQ // 16 // 8 * 4 + index_BQ % 16 // 4
    assert bool((mesh_BQ.sort(1).values == torch.arange(12)).all())


def test_patches_are_neighbours() -> None:
    points = grid_without_memory((16, 16), 50, SETTING.device)
    patches = Patches(4, SETTING.sampler("stratified"))
    index_BQ = patches.draw(points, 32, SETTING.rng(), PROGRESS).index_BQ
    assert index_BQ is not None
    offset = (index_BQ.view(50, 2, 16) - index_BQ.view(50, 2, 16)[..., :1]) % 256
    inside = (index_BQ.view(50, 2, 16)[..., 0] % 16 <= 12).unsqueeze(-1)
    expected = (16 * torch.arange(4).unsqueeze(1) + torch.arange(4)).flatten()
    assert bool(((offset == expected) | ~inside).all())


def test_two_levels_with_one_fine_point_in_each_cell_are_one_level() -> None:
    """The coarse points cancel: half of the evaluations are without effect."""
    points = grid_without_memory((16, 16), 20, SETTING.device)
    queries: Queries = TwoLevels(Lattice()).draw(points, 64, SETTING.rng(), PROGRESS)
    assert queries.weight_BQ is not None
    assert bool((queries.weight_BQ[:, :32] == 0).all())
    assert bool((queries.weight_BQ[:, 32:] == 2).all())


def test_sides_are_as_square_as_can_be() -> None:
    assert [sides(count) for count in (1, 7, 12, 32, 1024)] == [(1, 1), (1, 7), (3, 4), (4, 8), (32, 32)]
