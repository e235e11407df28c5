"""Means over space: cells of grids and meshes, weights of queries, what happens to a measure from file to loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from upt_core import DataError, Points, Progress, Queries, Sampler, grid_measure, node_measure, simplex_measure
from upt_core.data.point_sets import PointSets
from upt_core.specs import DataSpec, FieldSpec

FIELD = (FieldSpec("u"),)
DATA = DataSpec(FIELD, FIELD, (1.0, 1.0), (False, False), steady=True, origin=(0.0, 0.0))


def mesh_of(*axes: Tensor) -> Tensor:
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


class TestGrids:
    def test_along_an_axis_it_is_the_trapezoidal_rule(self) -> None:
        x = torch.tensor([0.0, 1.0, 1.5, 4.0])
        assert grid_measure(x[:, None], (4,)).tolist() == [0.5, 0.75, 1.5, 1.25]

    def test_stretched_axes_fill_the_box(self) -> None:
        x, y, z = (torch.rand(n, generator=torch.Generator().manual_seed(n)).sort().values for n in (5, 4, 3))
        measure = grid_measure(mesh_of(x, y, z), (5, 4, 3))
        box = math.prod(float(axis[-1] - axis[0]) for axis in (x, y, z))
        assert float(measure.sum()) == pytest.approx(box, rel=1e-5)

    def test_a_curved_grid_has_the_area_of_its_ring(self) -> None:
        radius, angle = torch.linspace(1, 2, 41), torch.linspace(0, math.pi, 61)
        r, a = mesh_of(radius, angle).unbind(-1)
        measure = grid_measure(torch.stack([r * a.cos(), r * a.sin()], dim=-1), (41, 61))
        assert float(measure.sum()) == pytest.approx(1.5 * math.pi, rel=2e-3)  # of second order: (π / 60)² / 2 = 1.4e-3
        assert torch.allclose(
            measure.view(41, 61)[1:-1, 30] / r.view(41, 61)[1:-1, 30], measure.view(41, 61)[20, 30] / 1.5
        )

    def test_points_that_are_no_grid(self) -> None:
        with pytest.raises(ValueError, match="a grid of 3 × 2 points does not fit 5 points with 2 coordinates"):
            grid_measure(torch.rand(5, 2), (3, 2))


class TestMeshes:
    def test_simplices(self) -> None:
        corners = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4]])
        assert simplex_measure(corners, torch.tensor([[0, 1]])).tolist() == pytest.approx([2])
        assert simplex_measure(corners, torch.tensor([[0, 1, 2], [0, 1, 3]])).tolist() == pytest.approx([3, 4])
        assert simplex_measure(corners, torch.tensor([[0, 1, 2, 3]])).tolist() == pytest.approx([4])

    def test_nodes_give_the_mean_of_a_linear_field(self) -> None:
        nodes = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.2, 0.3], [9, 9]])
        cells = torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
        measure = node_measure(nodes, cells)
        assert measure[5] == 0  # belongs to no cell
        field = 3 + 2 * nodes[:, 0] - nodes[:, 1]
        assert float((measure * field).sum() / measure.sum()) == pytest.approx(3.5)  # its value in the middle


class Half(Sampler):
    """The points of even or of odd numbers."""

    def __init__(self, odd: int) -> None:
        self.odd = odd

    def count(self, num_points: int, progress: Progress) -> int:
        return num_points // 2

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        return Queries(torch.arange(self.odd, 2 * count, 2).expand(points.batch_size, -1))


class TestQueries:
    points = Points(torch.rand(2, 6, 2), measure_BN=torch.tensor([[1.0, 2, 3, 4, 5, 6], [3.0, 0, 1, 1, 1, 2]]))
    value_BN = torch.tensor([[1.0, -1, 2, 0, 3, 1], [4.0, 1, 0, 2, 2, 1]])

    def over_space(self) -> float:
        measure_BN = self.points.measure_BN
        assert measure_BN is not None
        return float(((measure_BN * self.value_BN).sum(1) / measure_BN.sum(1)).mean())

    def test_all_points_are_a_mean_over_space(self) -> None:
        assert Queries.all(self.points).mean(self.value_BN).item() == pytest.approx(self.over_space())

    def test_a_sample_estimates_it_without_bias(self) -> None:
        total = 0.0
        for odd in (0, 1):
            queries = Half(odd).sample(self.points, torch.Generator(), Progress())
            total += queries.mean(queries.take(self.value_BN.unsqueeze(-1)).squeeze(-1)).item() / 2
        assert total == pytest.approx(self.over_space())

    def test_padding_has_no_share_of_space(self) -> None:
        padded = Points(torch.rand(2, 8, 2), lengths=(6, 6), measure_BN=torch.full((2, 8), 7.0))
        measure_BN = self.points.measure_BN
        assert measure_BN is not None
        assert padded.measure_BN is not None
        padded.measure_BN[:, :6] = measure_BN
        value_BN = torch.full((2, 8), 1e6)
        value_BN[:, :6] = self.value_BN
        assert Queries.all(padded).mean(value_BN).item() == pytest.approx(self.over_space())

    def test_without_a_measure_weights_stay(self) -> None:
        queries = Queries(torch.zeros(2, 3, dtype=torch.int64))
        assert queries.over_space(Points(torch.rand(2, 6, 2))) is queries


class TestPointSets:
    coords = torch.rand(4, 2)

    def test_any_unit_will_do(self) -> None:
        for unit in (1e-30, 1.0, 1e30):
            measure = torch.tensor([1.0, 2.0, 3.0, 2.0], dtype=torch.float64) * unit
            points = PointSets(DATA).find(self.coords, measure)[1]
            assert points.measure_BN is not None
            assert points.measure_BN.tolist() == [pytest.approx([0.5, 1.0, 1.5, 1.0])]

    def test_means_over_points_forget_it(self) -> None:
        assert PointSets(DATA, over="points").find(self.coords, torch.ones(4))[1].measure_BN is None

    @pytest.mark.parametrize("measure", [[1.0, 2.0], [1.0, -1.0, 1.0, 1.0], [0.0] * 4, [1.0, math.nan, 1.0, 1.0]])
    def test_what_is_no_measure(self, measure: list[float]) -> None:
        with pytest.raises(
            DataError, match=r"the measure of points has shape .* expected 4 areas .* or set mean: points"
        ):
            PointSets(DATA).find(self.coords, torch.tensor(measure))
