"""Lengths of the wavenumbers of a grid."""

from __future__ import annotations

import torch
from torch import Tensor


def shells(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Length of the wavenumber of each mode, in waves per domain, in the grid's shape; float64."""
    squared = torch.zeros((), dtype=torch.float64, device=device)
    for num in shape:
        along = torch.fft.fftfreq(num, d=1 / num, dtype=torch.float64, device=device)
        squared = squared.unsqueeze(-1) + along.square()
    return squared.sqrt()
