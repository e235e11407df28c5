"""Locality order of scattered points: a Hilbert curve, so that neighbours in the order are neighbours in space.

Source: J. Skilling, Programming the Hilbert curve, AIP Conference Proceedings 707 (2004), in vectorised form.
"""

from __future__ import annotations

import torch
from torch import Tensor

BITS_PER_AXIS = 16


def hilbert_order(coords_BNX: Tensor, mask_BN: Tensor | None) -> Tensor:
    """Numbers of the points along a Hilbert curve through their bounding box, (B, N); padding comes last.

    Args:
        mask_BN: False where a point pads, and counts neither in the order nor in the box; None: all points are real.
            The first point of each row must be real.
    """
    if mask_BN is not None:
        coords_BNX = coords_BNX.where(mask_BN.unsqueeze(-1), coords_BNX[:, :1])
    key_BN = hilbert_key(coords_BNX)
    if mask_BN is not None:
        key_BN = torch.where(mask_BN, key_BN, torch.iinfo(key_BN.dtype).max)
    order: Tensor = key_BN.argsort(dim=1, stable=True)
    return order


def hilbert_key(coords_BNX: Tensor, bits: int = BITS_PER_AXIS) -> Tensor:
    """Position of each point along a Hilbert curve of ``bits`` bits an axis, as int64 (B, N).

    Args:
        coords_BNX: coordinates in any unit; each row is scaled by its longest side. At most 3 axes with 16 bits.
    """
    axes = list(_quantise(coords_BNX, bits).unbind(-1))
    _to_transpose(axes, bits)
    key = torch.zeros_like(axes[0])
    for bit in range(bits - 1, -1, -1):
        for axis in axes:
            key = (key << 1) | ((axis >> bit) & 1)
    return key


def _quantise(coords_BNX: Tensor, bits: int) -> Tensor:
    """Whole numbers below 2^bits, the nearest to ``bits`` binary digits of each coordinate in the box.

    Halves, quarters and so on of the box, where points of grids lie and where large parts of the curve meet, are in the
    middle of what becomes one number: rounding of coordinates moves no point to another part of the curve.
    """
    coords = coords_BNX.double()
    low = coords.amin(dim=1, keepdim=True)
    span = (coords.amax(dim=1, keepdim=True) - low).amax(dim=2, keepdim=True)
    scaled = (coords - low) / span.clamp_min(torch.finfo(torch.float64).tiny)
    return torch.floor(scaled * 2**bits + 0.5).long().clamp(max=2**bits - 1)


def _to_transpose(axes: list[Tensor], bits: int) -> None:
    """Turns coordinates into the transposed Hilbert index, in place (Skilling's inverse undo, then Gray code)."""
    bit = 1 << (bits - 1)
    while bit > 1:
        low_bits = bit - 1
        for i, axis in enumerate(axes):
            high = (axis & bit) != 0
            swap = torch.where(high, 0, (axes[0] ^ axis) & low_bits)
            axes[0] = torch.where(high, axes[0] ^ low_bits, axes[0] ^ swap)
            if i > 0:
                axes[i] = axis ^ swap
        bit >>= 1
    for i in range(1, len(axes)):
        axes[i] = axes[i] ^ axes[i - 1]
    gray = torch.zeros_like(axes[0])
    bit = 1 << (bits - 1)
    while bit > 1:
        gray = torch.where((axes[-1] & bit) != 0, gray ^ (bit - 1), gray)
        bit >>= 1
    for i, axis in enumerate(axes):
        axes[i] = axis ^ gray
