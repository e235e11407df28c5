"""Supernodes and who hears what: each point speaks to the supernodes next to it, so that every point is heard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core import Need, Points

OVERLAP = {1: 2, 2: 4, 3: 6}
"""To how many supernodes a point speaks, by number of axes, where nothing else is asked for.

Balls around the corners of a square lattice cover the plane where a point falls into 1.6 of them on average, of a cubic
lattice 2.7; these are more, so that what neighbouring supernodes hear overlaps.
"""

UNTIE = 1e-3
"""How much further supernodes are than they seem, by number: up to this part of their squared spacing.

On a grid many points are as near to one supernode as to another. Which of them is nearer would be the rounding of the
coordinates; with differences beyond that, it is the same in float32 and float64.
"""

MAX_DISTANCES = 1 << 22
"""Most distances held at once on a device (16 MiB in float32); more points are searched in chunks."""


@dataclass(frozen=True)
class Supernodes(Need):
    """The supernodes of a point set, and for each the points that it hears: those to which it is one of the nearest.

    Each point speaks to its ``overlap`` nearest supernodes, so every point is heard, whether points lie evenly or not,
    and the lists have ``overlap · N`` entries together. They depend on where points are, not on their order nor on the
    rounding of their coordinates: of supernodes that are equally near, the same one is taken always (``UNTIE``).

    The answer is ``(supernode_S, real_S, point_M, start_S, count_S)``: numbers of the supernodes; False where a row
    of a batch has fewer; the lists under one another, each along the locality order; where each begins and how long it
    is. M is ``overlap · N``, less with a radius.

    Args:
        count: S; a sample with fewer points has that many.
        overlap: to how many supernodes a point speaks.
        radius: how far it speaks at most, in the unit box; None: any distance.
        periodic: for each axis, whether the domain wraps around.
    """

    count: int
    overlap: int
    radius: float | None
    periodic: tuple[bool, ...]

    def compute(self, points: Points) -> tuple[Tensor, ...]:
        """By a k-d tree of the supernodes on the CPU, by all distances, in chunks, on other devices."""
        order_N = points.locality_order_BN[0]
        coords_NX = points.coords_BNX[0].detach().float()
        supernode_S = order_N[middles(order_N.shape[0], self.count, order_N.device)]
        overlap = min(self.overlap, len(supernode_S))
        on_cpu = coords_NX.device.type == "cpu" and not torch.compiler.is_exporting()  # a program has torch alone
        search = _by_tree if on_cpu else _by_distances
        nearest_NK = search(coords_NX[order_N], coords_NX[supernode_S], self.periodic, overlap, self.radius)
        speaker_M, count_S = _lists(nearest_NK, len(supernode_S))
        start_S = count_S.cumsum(0) - count_S
        real_S = torch.ones_like(supernode_S, dtype=torch.bool)
        return supernode_S, real_S, order_N[speaker_M].int(), start_S, count_S


def middles(num_points: int, count: int, device: torch.device) -> Tensor:
    """Places of S supernodes among n points: ``floor((s + 1/2) · n / S)``, the middles of S equal stretches."""
    if torch.compiler.is_exporting():  # a program has as many supernodes in every call
        torch._check(num_points >= count, lambda: f"{count} supernodes need as many points")  # type: ignore[no-untyped-call]
    count = min(count, num_points)
    return (2 * torch.arange(count, device=device) + 1) * num_points // (2 * count)


def _further(coords_SX: Tensor) -> Tensor:
    """What is added to the squared distance from each supernode (S), so that no two are equally near.

    Multiples of the golden ratio, modulo 1: any two differ, and those of neighbours by much.
    """
    supernodes, axes = coords_SX.shape
    golden_S = torch.arange(1, supernodes + 1, device=coords_SX.device, dtype=torch.float64) * ((5**0.5 - 1) / 2)
    further_S: Tensor = golden_S % 1 * (UNTIE / supernodes ** (2 / axes))
    return further_S


def default_radius(num_supernodes: int, num_axes: int) -> float:
    """Radius of a ball that holds ``OVERLAP`` supernodes on average in the unit box: the scale of offsets.

    Raises:
        ValueError: there are more than 3 axes.
    """
    if num_axes not in OVERLAP:
        raise ValueError(f"supernodes need points with 1 to 3 axes, but these have {num_axes}")
    ball = {1: 2.0, 2: math.pi, 3: 4 / 3 * math.pi}[num_axes]
    return float((OVERLAP[num_axes] / (ball * num_supernodes)) ** (1 / num_axes))


def shortest(offset_X: Tensor, periodic: Sequence[bool]) -> Tensor:
    """Offsets (…, X) in the unit box, the short way around its periodic axes."""
    if not any(periodic):
        return offset_X
    wrap_X = torch.stack([torch.full((), float(wraps), device=offset_X.device) for wraps in periodic])
    return offset_X - offset_X.round() * wrap_X


def _by_tree(
    coords_NX: Tensor, coords_SX: Tensor, periodic: Sequence[bool], overlap: int, radius: float | None
) -> Tensor:
    """Numbers of the nearest supernodes of each point (N, K), nearest first; S where none is within the radius."""
    from scipy.spatial import KDTree  # late: it takes a quarter of a second, and other encoders need none

    def wrapped(coords: Tensor) -> Tensor:
        wraps = torch.tensor(periodic)
        inside = coords.double() % 1
        return torch.where(wraps, inside.where(inside < 1, 0), coords.double())  # -1e-17 % 1 is 1, outside the box

    # One axis more, along which the supernodes are as far as they are to seem.
    lifted_SX = torch.cat([wrapped(coords_SX), _further(coords_SX).sqrt().unsqueeze(1)], dim=1)
    lifted_NX = torch.nn.functional.pad(wrapped(coords_NX), (0, 1))
    tree = KDTree(lifted_SX.numpy(), boxsize=[*(1.0 if wraps else 0.0 for wraps in periodic), 0.0])
    bound = math.inf if radius is None else math.nextafter(radius, math.inf)  # the tree's bound is exclusive
    _, nearest_NK = tree.query(lifted_NX.numpy(), k=list(range(1, overlap + 1)), distance_upper_bound=bound)
    return torch.from_numpy(nearest_NK)


def _by_distances(
    coords_NX: Tensor, coords_SX: Tensor, periodic: Sequence[bool], overlap: int, radius: float | None
) -> Tensor:
    """As ``_by_tree``, without leaving the device."""
    parts = []
    further_S = _further(coords_SX).float()
    # A program that is traced takes all points at once, as it does not know how many there will be.
    most = max(1, MAX_DISTANCES // len(coords_SX))
    for part_PX in (coords_NX,) if torch.compiler.is_exporting() else torch.split(coords_NX, most):
        squared_PS = further_S
        for axis, wraps in enumerate(periodic):  # axis by axis, so that no (P, S, X) tensor exists
            offset_PS = part_PX[:, None, axis] - coords_SX[None, :, axis]
            squared_PS = squared_PS + (offset_PS - offset_PS.round() if wraps else offset_PS).square()
        nearest_PK = squared_PS.topk(overlap, dim=1, largest=False)
        outside_PK = nearest_PK.values.sqrt() > (math.inf if radius is None else radius)
        parts.append(nearest_PK.indices.masked_fill(outside_PK, len(coords_SX)))
    return torch.cat(parts)


def _lists(nearest_NK: Tensor, supernodes: int) -> tuple[Tensor, Tensor]:
    """The points of each supernode, one list after the other (M), and how many each has (S)."""
    flat_M = nearest_NK.flatten()
    speaker_M = flat_M.argsort(stable=True) // nearest_NK.shape[1]
    count_S = torch.zeros(supernodes + 1, dtype=torch.int64, device=flat_M.device)
    count_S.scatter_add_(0, flat_M, torch.ones_like(flat_M))
    return speaker_M, count_S[:-1]  # what is not heard by anyone comes last
