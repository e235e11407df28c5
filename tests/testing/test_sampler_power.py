"""``check_sampler`` finds a class of points that is drawn 10 % too often, whether the sampler has weights or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from upt_core import Points, Progress, Queries, Sampler
from upt_core.testing import ConformanceError, check_sampler

from .power import MANNERS, Domain, Manner, classes, domains, found, power

Favoured = Callable[[Points], Tensor]
"""True at the points that come too often, (B, N)."""

SETS = ("grid", "scattered")
DOMAINS = tuple(domains())


class Overdrawn(Sampler):
    """Independent points; those of a class come ``factor`` times as often as the weights say.

    Args:
        favoured: the class.
        factor: 1 makes it a right sampler.
        weighted: whether points are preferred along a ramp, which the weights undo, or all weights are 1.
        seed: of another series of draws.
    """

    def __init__(self, favoured: Favoured, factor: float = 1.1, weighted: bool = False, seed: int = 0) -> None:
        self.favoured, self.factor, self.weighted, self.seed = favoured, factor, weighted, seed

    def count(self, num_points: int, progress: Progress) -> int:
        return 64

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        own = torch.Generator().manual_seed(rng.initial_seed() + self.seed)
        rng.manual_seed(rng.initial_seed() + 1)
        shape = (points.batch_size, points.num_points)
        ramp_BN = torch.linspace(1, 3, points.num_points, dtype=torch.float64).expand(shape)
        meant_BN = (ramp_BN if self.weighted else torch.ones_like(ramp_BN)) / (ramp_BN.sum(1, keepdim=True))
        meant_BN = meant_BN / meant_BN.sum(1, keepdim=True)
        real_BN = meant_BN * torch.where(self.favoured(points).expand(shape), self.factor, 1.0)
        below_BN = (real_BN / real_BN.sum(1, keepdim=True)).cumsum(1)
        uniform_BQ = torch.rand(points.batch_size, count, generator=own, dtype=torch.float64)
        index_BQ = torch.searchsorted(below_BN, uniform_BQ, right=True).clamp(max=points.num_points - 1)
        weight_BQ = (1 / (points.num_points * meant_BN)).gather(1, index_BQ).float()
        return Queries(index_BQ, weight_BQ if self.weighted else None)


def eighth(k: int) -> Favoured:
    return lambda points: (torch.arange(points.num_points) * 8 // points.num_points == k).unsqueeze(0)


def side(axis: int, place: float) -> Favoured:
    return lambda points: points.coords_BNX[..., min(axis, points.num_axes - 1)] == place


def corner(*far: bool) -> Favoured:
    def here(points: Points) -> Tensor:
        sides = [
            points.coords_BNX[..., axis] > 0.66 if far[axis] else points.coords_BNX[..., axis] < 0.34
            for axis in range(min(2, points.num_axes))
        ]
        return torch.stack(sides).all(0)

    return here


CLASSES: dict[str, Favoured] = {
    "eighth 0": eighth(0),
    "corner 10": corner(True, False),
    "side 1 1.0": side(1, 1.0),
    "odd points": lambda points: (torch.arange(points.num_points) % 2 == 1).unsqueeze(0),
    "one in the middle": lambda points: (torch.arange(points.num_points) == points.num_points // 2).unsqueeze(0),
}


def refused(sampler: Sampler) -> bool:
    try:
        check_sampler(sampler, distinct=False, growth=20, takes=SETS)
    except ConformanceError as error:
        return error.check in ("unbiased mean", "inclusion")
    return False


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("name", CLASSES)
def test_ten_percent_too_many_are_found(name: str, weighted: bool) -> None:
    """The seeds are fixed."""
    assert refused(Overdrawn(CLASSES[name], weighted=weighted))


@pytest.mark.slow
@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.what)
def test_each_point_set_alone_finds_each_group_of_classes(domain: Domain, manner: Manner) -> None:
    """Two classes of each group, two seeds. ``python -m tests.testing.power`` tries all classes."""
    for own in classes(domain).values():
        for favoured_N in [*own.values()][:1] + [*own.values()][1:][-1:]:
            assert all(found(domain, favoured_N, manner, seed) for seed in (0, 1))


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.what)
def test_each_point_set_alone_finds_the_rarest_point(domain: Domain, manner: Manner) -> None:
    """Point 0 is the hardest: along the ramp it is drawn least often. Without an excess nothing is found."""
    first_N = torch.arange(len(domain.coords_NX)) == 0
    assert found(domain, first_N, manner, seed=0)
    assert not found(domain, first_N, manner, seed=0, factor=1.0)


def test_the_domains_are_those_of_the_kit() -> None:
    names = ["a grid of 7", "a grid of 9 × 7", "a grid of 3 × 4 × 5", "23 scattered points"]
    assert [domain.what for domain in DOMAINS] == [*names, "padded rows of 11 points", "padded rows of 7 points"]


def test_the_table_of_power() -> None:
    """Groups of classes; empty ones are left out."""
    domain = DOMAINS[-1]
    result = power(domain, Manner(weighted=False, distinct=True), range(1))
    assert list(result) == ["eighths", "corners", "patterns", "single points"]
    assert result["single points"].made == 7
    assert result["single points"].share == 1


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_without_the_excess_the_same_sampler_passes(weighted: bool) -> None:
    """Chance of failure: 1e-6 each."""
    assert not refused(Overdrawn(CLASSES["eighth 0"], factor=1.0, weighted=weighted))


def test_a_slightly_crooked_number_is_found() -> None:
    """u^1.1 in place of u: a fifth too many in the first eighth, hardly anything elsewhere."""

    class Crooked(Overdrawn):
        def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
            number = points.num_points if points.length_B1 is None else points.length_B1
            uniform_BQ = torch.rand(points.batch_size, count, generator=rng, dtype=torch.float64)
            return Queries((uniform_BQ**1.1 * number).long())

    with pytest.raises(ConformanceError, match=r"the field '.*' is off by the factor 1\.\d+: its weighted mean"):
        check_sampler(Crooked(eighth(0)), distinct=False)
