"""How often ``check_sampler`` finds a class of points that is drawn 10 % too often.

    python -m tests.testing.power --seeds 20

Every point set of the kit is tried on its own, with every class of its points, with and without weights, with and
without repetition. A trial is the kit's own check of means on draws of a wrong sampler, all made at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import torch
from torch import Tensor

from upt_core.testing import ConformanceError
from upt_core.testing.declared import CALLS
from upt_core.testing.fields import adversarial_fields
from upt_core.testing.point_sets import PointSet
from upt_core.testing.sampler_means import CASES, Trials, check_trials

FALSE_ALARM = 1e-6
FACTOR = 1.1


@dataclass(frozen=True)
class Domain:
    """Rows of the kit with equally many points.

    Args:
        what: how the table calls it.
        coords_NX: where the points are, in the unit box.
        grid: whether they are on a grid.
        rows: K, rows of a batch.
        count: Q, query points of a row.
        alarm: share of the false alarms that the kit spends here.
    """

    what: str
    coords_NX: Tensor
    grid: bool
    rows: int
    count: int
    alarm: float


def domains() -> Iterator[Domain]:
    """All of the kit at the level ``fast``, but for the case of a single row, which repeats another one."""
    for point_set, count in CASES["fast"]:
        lengths = point_set.lengths or (point_set.num_points,) * point_set.batch
        alarm = FALSE_ALARM / len(CASES["fast"]) / len(set(lengths))
        for length in dict.fromkeys(lengths):
            if len(lengths) > 1 and length > count:
                yield _domain(point_set, length, lengths, count, alarm)


def _domain(point_set: PointSet, length: int, lengths: tuple[int, ...], count: int, alarm: float) -> Domain:
    what = f"padded rows of {length} points" if point_set.lengths else str(point_set)
    coords_NX = point_set.coordinates(lengths.index(length))
    return Domain(what, coords_NX, point_set.kind == "grid", lengths.count(length), count, alarm)


def classes(domain: Domain) -> dict[str, dict[str, Tensor]]:
    """Group → name → True at the points of the class, (N,). Empty classes, and those of all points, are left out."""
    number = torch.arange(len(domain.coords_NX))
    groups = {
        "eighths": _eighths(domain.coords_NX),
        "corners": _corners(domain),
        "edges": _edges(domain),
        "patterns": {"odd points": number % 2 == 1},
        "single points": {f"point {n}": number == n for n in range(len(number))},
    }
    return {
        group: {name: here for name, here in own.items() if 0 < int(here.sum()) < len(number)}
        for group, own in groups.items()
    }


def _eighths(coords_NX: Tensor) -> dict[str, Tensor]:
    """By number, along each axis, and boxes: 4 × 2 and 2 × 4 of two axes, 2 × 2 × 2 of three."""
    num_points, axes = coords_NX.shape
    number = torch.arange(num_points)
    found = {f"eighth {k} by number": number * 8 // num_points == k for k in range(8)}
    for axis, parts in product(range(axes), (8,)):
        found |= {f"eighth {k} of axis {axis}": _part(coords_NX, axis, parts) == k for k in range(parts)}
    for cuts in {1: (), 2: ((4, 2), (2, 4)), 3: ((2, 2, 2),)}[axes]:
        for box in product(*map(range, cuts)):
            inside = [_part(coords_NX, axis, parts) == box[axis] for axis, parts in enumerate(cuts)]
            found[f"box {box} of {cuts}"] = torch.stack(inside).all(0)
    return found


def _part(coords_NX: Tensor, axis: int, parts: int) -> Tensor:
    return (coords_NX[:, axis] * parts).long().clamp_max(parts - 1)


def _corners(domain: Domain) -> dict[str, Tensor]:
    """Thirds of all axes, and on grids the corner points themselves."""
    found = {}
    for far in product((0, 1), repeat=domain.coords_NX.shape[1]):
        place_X = torch.tensor(far)
        off_NX = (domain.coords_NX - place_X).abs()
        found[f"corner {far}"] = (off_NX < 0.34).all(1)
        found[f"corner point {far}"] = (off_NX == 0).all(1)
    return found


def _edges(domain: Domain) -> dict[str, Tensor]:
    """Sides, and where two sides meet; of scattered points a tenth of the axis at each side."""
    width = 0.0 if domain.grid else 0.1
    sides = {
        f"side {axis}{'-+'[far]}": (domain.coords_NX[:, axis] - far).abs() <= width
        for axis, far in product(range(domain.coords_NX.shape[1]), (0, 1))
    }
    meeting = {f"{first} and {second}": sides[first] & sides[second] for first, second in combinations(sides, 2)}
    return sides | meeting


@dataclass(frozen=True)
class Manner:
    """How the wrong sampler draws: with weights (along a ramp from 2/3 to 2) or without, distinct points or not."""

    weighted: bool
    distinct: bool

    def __str__(self) -> str:
        return f"{'weighted' if self.weighted else 'unweighted'}, {'distinct' if self.distinct else 'repeated'}"


MANNERS = tuple(Manner(*both) for both in product((False, True), repeat=2))


def draws(domain: Domain, favoured_N: Tensor, manner: Manner, seed: int, factor: float = FACTOR) -> Trials:
    """As many draws as the kit makes; the favoured points come ``factor`` times as often as the weights say."""
    num_points = len(favoured_N)
    rng = torch.Generator().manual_seed(seed)
    meant_N = torch.linspace(1, 3, num_points).double() if manner.weighted else torch.ones(num_points).double()
    meant_N = meant_N / meant_N.sum()
    real_N = meant_N * torch.where(favoured_N, factor, 1.0)
    below_N = (real_N / real_N.sum()).cumsum(0)
    shape = (CALLS["fast"], domain.rows, domain.count)
    if manner.distinct:  # systematic: equal steps from a random start, so each point comes as often as it should
        start_RK1 = torch.rand(*shape[:2], 1, generator=rng, dtype=torch.float64)
        place_RKQ = (torch.arange(domain.count) + start_RK1) / domain.count
    else:
        place_RKQ = torch.rand(*shape, generator=rng, dtype=torch.float64)
    index_RKQ = torch.searchsorted(below_N, place_RKQ, right=True).clamp_max(num_points - 1)
    weight_RKQ = (1 / (num_points * meant_N))[index_RKQ]
    return Trials(index_RKQ, weight_RKQ, tuple(range(domain.rows)), num_points, f"{domain.count} of {domain.what}")


def found(domain: Domain, favoured_N: Tensor, manner: Manner, seed: int, factor: float = FACTOR) -> bool:
    """Whether the kit's check of means refuses the draws."""
    trials = draws(domain, favoured_N, manner, seed, factor)
    try:
        check_trials(trials, adversarial_fields(domain.coords_NX), manner.distinct, domain.alarm)
    except ConformanceError:
        return True
    return False


@dataclass
class Power:
    """Trials of one domain and manner: how many were made and found, and the classes that were missed."""

    made: int = 0
    missed: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        return 1 - len(self.missed) / self.made


def power(domain: Domain, manner: Manner, seeds: range) -> dict[str, Power]:
    """Group of classes → power."""
    result = {}
    for group, own in classes(domain).items():
        result[group] = Power()
        for (name, favoured_N), seed in product(own.items(), seeds):
            result[group].made += 1
            if not found(domain, favoured_N, manner, seed):
                result[group].missed += (name,)
    return {group: each for group, each in result.items() if each.made}


def main() -> None:
    """Writes one line for each domain, manner and group of classes, and the worst class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="trials of each class (default: 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    made, missed, worst = 0, 0, (0, "")
    for domain, manner in product(domains(), MANNERS):
        for group, each in power(domain, manner, seeds).items():
            made, missed = made + each.made, missed + len(each.missed)
            worst = max([worst, *((each.missed.count(n), f"{n} of {domain.what}, {manner}") for n in each.missed)])
            print(f"{domain.what}; {manner}; {group}: {each.made - len(each.missed)} of {each.made}", flush=True)
    print(f"found {made - missed} of {made}: {1 - missed / made:.4f}")
    if missed:
        print(f"worst class: {worst[1]}: missed {worst[0]} of {len(seeds)}")


if __name__ == "__main__":
    main()
