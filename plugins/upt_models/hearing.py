"""Which of its points each supernode hears now: all, or a sample of bounded size, spread evenly through them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from upt_core import Points
from upt_models.neighbours import Supernodes

MAX_MESSAGES = 1 << 17
"""Most messages of a sample held at once; where all points are heard, supernodes hear in turns of so many."""

Hearing = tuple[slice, Tensor, Tensor]
"""Some of the supernodes, index_BSK of the points that they hear, and heard_BSK, False where a slot is empty."""


def hearings(points: Points, supernodes: Supernodes, most: int | None) -> Iterator[Hearing]:
    """What the supernodes hear, a few supernodes after the other so that memory is bounded.

    Args:
        most: K, how many points a supernode hears at most. Of n > K points it hears those at the places
            ``floor((k + u) · n / K)`` of its list, with one random u in [0, 1) for each supernode: each point with
            probability K / n, and as the list follows the locality order, from all parts of the neighbourhood. Nothing
            waits for the device. None: it hears all; the longest list is read from the device. Rows of shared points
            then hear the same and are one row.
    """
    _, _, point_BM, start_BS, count_BS = points.get(supernodes)
    if most is not None:
        slots = min(most, point_BM.shape[1])
        shift_BS = torch.rand(count_BS.shape, device=count_BS.device)
        yield slice(None), *_places(point_BM, start_BS, count_BS, slots, shift_BS)
        return
    rows, slots = 1 if points.shared and points.lengths is None else len(count_BS), int(count_BS.max())
    turn = max(1, MAX_MESSAGES // slots)
    for first in range(0, count_BS.shape[1], turn):
        part = slice(first, first + turn)
        yield part, *_places(point_BM[:rows], start_BS[:rows, part], count_BS[:rows, part], slots, None)


def _places(
    point_BM: Tensor, start_BS: Tensor, count_BS: Tensor, slots: int, shift_BS: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The points in ``slots`` slots of each supernode, and which slots are not empty."""
    place_BSK = slot_K = torch.arange(slots, device=point_BM.device)
    count_BS1 = count_BS.unsqueeze(-1)
    if shift_BS is not None:
        spread_BSK = ((slot_K + shift_BS.unsqueeze(-1)) * (count_BS1 / slots)).long()
        place_BSK = torch.where(count_BS1 > slots, spread_BSK.minimum(count_BS1 - 1), slot_K)
    heard_BSK = (slot_K < count_BS1).expand(*count_BS.shape, slots)
    place_BSK = (start_BS.unsqueeze(-1) + place_BSK).clamp_max(point_BM.shape[1] - 1)
    return point_BM.gather(1, place_BSK.flatten(1)).view(place_BSK.shape).long(), heard_BSK
