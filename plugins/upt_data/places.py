"""Where points are: float32, as everything else, unless that would move them."""

from __future__ import annotations

import torch
from torch import Tensor

MOVED = 1e-6
"""Rounding may move a point by this part of the extent along its axis."""


def places(coords_NX: Tensor) -> Tensor:
    """Coordinates in float32 where it holds them, else in float64: metres of a map have more digits than float32.

    They are scaled to the box of the data in float64, and are float32 from then on.
    """
    single_NX = coords_NX.float()
    if coords_NX.dtype != torch.float64 or len(coords_NX) == 0:
        return single_NX
    moved_X = (single_NX.double() - coords_NX).abs().amax(0)
    extent_X = coords_NX.amax(0) - coords_NX.amin(0)
    return coords_NX if bool((moved_X > MOVED * extent_X).any()) else single_NX
