"""What operators are judged by: relative errors of each time step, and of the energy spectrum."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_SHARE = 1e-8
"""Shells that hold less of a state's energy are left out of the spectrum's error: float32 does not resolve them."""


def relative_error_BT(prediction_BTNC: Tensor, target_BTNC: Tensor) -> Tensor:
    """‖prediction − target‖ / ‖target‖ of each sample and time step, over points and channels."""
    error_BT: Tensor = torch.linalg.vector_norm(prediction_BTNC - target_BTNC, dim=(2, 3))
    size_BT: Tensor = torch.linalg.vector_norm(target_BTNC, dim=(2, 3))
    return error_BT / size_BT


def spectrum_error(prediction_BTNC: Tensor, target_BTNC: Tensor, grid_shape: tuple[int, ...]) -> float:
    """Root mean square of log₁₀ of predicted over true energy, over wavenumber shells, channels, samples and times.

    0.3 means: wrong by a factor of 2, too much or too little, at an average wavenumber. The mean state, k = 0, is left
    out, and so are shells that hold next to no energy.
    """
    predicted, true = energy_of_shells(prediction_BTNC, grid_shape), energy_of_shells(target_BTNC, grid_shape)
    heard = true > SMALLEST_SHARE * true.sum(dim=2, keepdim=True)
    ratio = (predicted[heard].clamp_min(1e-30) / true[heard]).log10()
    return float(ratio.square().mean().sqrt())


def energy_of_shells(value_BTNC: Tensor, grid_shape: tuple[int, ...]) -> Tensor:
    """Energy at wavenumbers 1, 2, … up to half the points of the shortest axis: (B, T, K, C)."""
    batch, times, _, channels = value_BTNC.shape
    axes = list(range(2, 2 + len(grid_shape)))
    field = value_BTNC.reshape(batch, times, *grid_shape, channels)
    power = torch.fft.fftn(field, dim=axes, norm="forward").abs().square().flatten(2, -2)
    squared = torch.zeros(())
    for num in grid_shape:
        squared = squared.unsqueeze(-1) + torch.fft.fftfreq(num, d=1 / num).square()
    number = squared.sqrt().round().long().flatten()
    highest = min(grid_shape) // 2
    shells = torch.zeros(batch, times, int(number.max()) + 1, channels, dtype=power.dtype)
    shells.index_add_(2, number, power)
    return shells[:, :, 1 : highest + 1]
