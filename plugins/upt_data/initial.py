"""Random smooth periodic functions, as sums of a few waves: the initial conditions of the generated data sets."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def random_waves(num: int, max_mode: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Amplitudes and phases of ``num`` random sums of sines whose values stay within [-1, 1].

    Mode m has a normal amplitude of standard deviation 1/m; each row is scaled so that the amplitudes' absolute
    values add up to 1.

    Returns:
        amplitude_BM and phase_BM, float64, for the modes 1 to ``max_mode``.
    """
    mode_M = torch.arange(1, max_mode + 1, dtype=torch.float64)
    amplitude_BM = torch.randn(num, max_mode, generator=generator, dtype=torch.float64) / mode_M
    amplitude_BM = amplitude_BM / amplitude_BM.abs().sum(dim=1, keepdim=True)
    phase_BM = 2 * math.pi * torch.rand(num, max_mode, generator=generator, dtype=torch.float64)
    return amplitude_BM, phase_BM


def evaluate_waves(amplitude_BM: Tensor, phase_BM: Tensor, x_BN: Tensor) -> Tensor:
    """The sums of sines on the unit interval at ``x_BN`` (or at the same ``x_1N`` for all rows): (B, N)."""
    value_BN = torch.zeros(1, dtype=torch.float64)
    for mode in range(amplitude_BM.shape[1]):  # a loop over few modes keeps memory at (B, N)
        angle_BN = 2 * math.pi * (mode + 1) * x_BN + phase_BM[:, mode, None]
        value_BN = value_BN + amplitude_BM[:, mode, None] * angle_BN.sin()
    return value_BN


def random_viscosity(viscosity: float | tuple[float, float], num: int, generator: torch.Generator) -> Tensor:
    """A viscosity for each trajectory, (B,) float64: the given one, or log-uniform in the given range."""
    if isinstance(viscosity, (int, float)):
        return torch.full((num,), float(viscosity), dtype=torch.float64)
    low, high = viscosity
    uniform_B = torch.rand(num, generator=generator, dtype=torch.float64)
    return low * (high / low) ** uniform_B


def check_viscosity(viscosity: float | tuple[float, float]) -> float | tuple[float, float]:
    """The viscosity or range as floats.

    Raises:
        ValueError: it is not a range of two rising values.
    """
    if isinstance(viscosity, (int, float)):
        return float(viscosity)
    if len(viscosity) != 2 or not 0 < viscosity[0] < viscosity[1]:
        raise ValueError(
            f"viscosity is {list(viscosity)}; a range needs two rising positive values, for example [0.005, 0.02]"
        )
    return float(viscosity[0]), float(viscosity[1])
