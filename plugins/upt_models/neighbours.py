"""Supernodes and their neighbours: which points a supernode hears, found in bounded memory and without waiting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core import Points, Queries

MAX_DISTANCES = 1 << 24
"""Most distances held at once (64 MiB in float32); more supernodes are searched in chunks, so memory does not grow
with S · N."""

OVERLAP = {1: 2.3, 2: 4.0, 3: 6.0}
"""Into how many neighbourhoods a point falls on average, by number of axes, where no radius is given.

Balls around the corners of a square lattice cover the plane from 1.6 on, of a cubic lattice from 2.7 on; supernodes
along a locality order lie less evenly, so these are more. In one dimension the number is no whole one, so that no
point of a grid lies just on the radius, where rounding would decide.
"""


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """The S supernodes of each row and the K points next to each. Rows that share their points are one row.

    Args:
        coords_BSX: coordinates of the supernodes.
        real_BS: False where a row has fewer points than supernodes and this one only repeats another; None: all real.
        index_BSK: numbers of the neighbours, nearest first.
        offset_BSKX: from supernode to neighbour, the short way around periodic axes.
        distance_BSK: length of the offset.
        heard_BSK: whether the neighbour is within the radius (and not padding).
    """

    coords_BSX: Tensor
    real_BS: Tensor | None
    index_BSK: Tensor
    offset_BSKX: Tensor
    distance_BSK: Tensor
    heard_BSK: Tensor


def default_radius(num_supernodes: int, num_axes: int) -> float:
    """The radius at which a point falls into ``OVERLAP`` neighbourhoods on average, in the unit box.

    A neighbourhood then has about ``OVERLAP · N / S`` points.

    Raises:
        ValueError: there are more than 3 axes.
    """
    if num_axes not in OVERLAP:
        raise ValueError(f"supernodes need points with 1 to 3 axes, but these have {num_axes}")
    ball = {1: 2.0, 2: math.pi, 3: 4 / 3 * math.pi}[num_axes]
    return float((OVERLAP[num_axes] / (ball * num_supernodes)) ** (1 / num_axes))


def find_neighbourhoods(
    points: Points, periodic: Sequence[bool], num_supernodes: int, radius: float, max_neighbours: int
) -> Neighbourhoods:
    """Chooses supernodes and finds the nearest ``max_neighbours`` points within the radius of each."""
    coords_BNX, mask_BN, rows = points.coords_BNX.float(), points.mask_BN, points.batch_size
    if points.shared and mask_BN is None:
        coords_BNX, rows = coords_BNX[:1], 1
    supernode_BS, real_BS = choose_supernodes(points, num_supernodes)
    coords_BSX = Queries(supernode_BS[:rows]).take(coords_BNX)
    index_BSK = _nearest(coords_BSX, coords_BNX, mask_BN, periodic, min(max_neighbours, points.num_points))
    neighbour_BSKX = Queries(index_BSK.flatten(1)).take(coords_BNX).view(*index_BSK.shape, points.num_axes)
    offset_BSKX = shortest(neighbour_BSKX - coords_BSX.unsqueeze(2), periodic)
    distance_BSK = offset_BSKX.square().sum(-1).sqrt()
    heard_BSK = distance_BSK <= radius
    if mask_BN is not None:
        heard_BSK = heard_BSK & mask_BN.gather(1, index_BSK.flatten(1)).view(index_BSK.shape)
    return Neighbourhoods(coords_BSX, real_BS, index_BSK, offset_BSKX, distance_BSK, heard_BSK)


def choose_supernodes(points: Points, num_supernodes: int) -> tuple[Tensor, Tensor | None]:
    """Numbers of the supernodes (B, S), evenly along the locality order of the points, and which of them are real.

    Of n points in their order, supernode s of S is the one at ``floor((s + 1/2) · n / S)``: the middle of the s-th
    of S equal stretches. The choice depends on where the points are, not on the order in which they come (but for
    points closer than 2⁻¹⁶ of the box). Rows with fewer points than supernodes use all their points; the repeats
    are marked as not real.
    """
    count = min(num_supernodes, points.num_points)
    slot_S = 2 * torch.arange(count, device=points.device) + 1
    length: Tensor | int = points.num_points if points.length_B1 is None else points.length_B1
    place_BS = (slot_S * length // (2 * count)).expand(points.batch_size, -1)
    supernode_BS = points.locality_order_BN.gather(1, place_BS)
    if points.lengths is None or min(points.lengths) >= count:
        return supernode_BS, None
    first = torch.ones_like(place_BS[:, :1], dtype=torch.bool)
    return supernode_BS, torch.cat([first, place_BS[:, 1:] != place_BS[:, :-1]], dim=1)


def shortest(offset_X: Tensor, periodic: Sequence[bool]) -> Tensor:
    """Offsets (…, X) in the unit box, the short way around its periodic axes."""
    if not any(periodic):
        return offset_X
    wrap_X = torch.stack([torch.full((), float(wraps), device=offset_X.device) for wraps in periodic])
    return offset_X - offset_X.round() * wrap_X


@torch.no_grad()
def _nearest(
    coords_BSX: Tensor, coords_BNX: Tensor, mask_BN: Tensor | None, periodic: Sequence[bool], count: int
) -> Tensor:
    """Numbers of the ``count`` nearest real points of each supernode, nearest first: (B, S, K)."""
    batch, num_points = coords_BNX.shape[:2]
    chunk = max(1, MAX_DISTANCES // (batch * num_points))
    parts = []
    for start in range(0, coords_BSX.shape[1], chunk):
        squared_BSN = _squared_distances(coords_BSX[:, start : start + chunk], coords_BNX, periodic)
        if mask_BN is not None:
            squared_BSN = squared_BSN.masked_fill(~mask_BN.unsqueeze(1), torch.inf)
        parts.append(squared_BSN.topk(count, dim=2, largest=False).indices)
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _squared_distances(coords_BSX: Tensor, coords_BNX: Tensor, periodic: Sequence[bool]) -> Tensor:
    """Squared distances (B, S, N), axis by axis, so that no (B, S, N, X) tensor exists."""
    total = torch.zeros((), device=coords_BNX.device)
    for axis, wraps in enumerate(periodic):
        offset_BSN = coords_BSX[:, :, None, axis] - coords_BNX[:, None, :, axis]
        total = total + (offset_BSN - offset_BSN.round() if wraps else offset_BSN).square()
    return total
