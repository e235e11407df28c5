"""ETDRK4 for the periodic viscous Burgers equation: exact diffusion, fourth-order Runge-Kutta for the rest.

Source: A.-K. Kassam and L. N. Trefethen, Fourth-order time-stepping for stiff PDEs, SIAM J. Sci. Comput. 26 (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

CONTOUR_POINTS = 32
TRAJECTORIES_AT_ONCE = 32  # their working set stays in the processor's cache: several times faster than all at once


class Coefficients(NamedTuple):
    """What one step of ETDRK4 needs for each mode of a linear operator with real eigenvalues, each (B, K)."""

    full: Tensor
    half: Tensor
    stage: Tensor
    first: Tensor
    middle: Tensor
    last: Tensor


def coefficients(linear_BK: Tensor, step: float) -> Coefficients:
    """The coefficients as means over a circle around each eigenvalue, which avoids cancellation near zero.

    Args:
        linear_BK: real eigenvalues of the linear operator, float64.
        step: the time step.
    """
    z_BK = linear_BK * step
    angle = math.pi * (torch.arange(CONTOUR_POINTS, dtype=torch.float64) + 0.5) / CONTOUR_POINTS
    z = z_BK.unsqueeze(-1) + torch.exp(1j * angle)  # the upper half: eigenvalues are real, so the real part is enough
    exp = z.exp()

    def mean(value: Tensor) -> Tensor:
        return step * value.mean(-1).real

    return Coefficients(
        full=z_BK.exp(),
        half=(z_BK / 2).exp(),
        stage=mean(((z / 2).exp() - 1) / z),
        first=mean((-4 - z + exp * (4 - 3 * z + z**2)) / z**3),
        middle=mean(2 * (2 + z + exp * (z - 2)) / z**3),
        last=mean((-4 - 3 * z - z**2 + exp * (4 - z)) / z**3),
    )


def solve_burgers(initial_BN: Tensor, viscosity_B1: Tensor, interval: float, num_times: int, substeps: int) -> Tensor:
    """Solves u_t + (u²/2)_x = viscosity · u_xx on the periodic unit interval, in float64.

    The grid must resolve the steepest front: its width is about 4 · viscosity / jump, and N ≥ 1.5 · jump / viscosity
    points make the error of the spatial part negligible (see ``resolution``).

    Args:
        initial_BN: u at x = n / N.
        viscosity_B1: viscosity of each trajectory.
        interval: time between two outputs.
        num_times: number of outputs; the first is the initial condition.
        substeps: time steps between two outputs.

    Returns:
        u at the outputs, (B, T, N).
    """
    parts = zip(
        torch.split(initial_BN.double(), TRAJECTORIES_AT_ONCE),
        torch.split(viscosity_B1.double(), TRAJECTORIES_AT_ONCE),
        strict=True,
    )
    return torch.cat([_solve_part(u_BN, nu_B1, interval, num_times, substeps) for u_BN, nu_B1 in parts])


def resolution(viscosity: float, jump: float) -> int:
    """Points of a unit interval that resolve a front of height ``jump``.

    The complex singularities of a front lie 2π · viscosity / jump from the real axis, so after 2/3 dealiasing the
    first mode that is left out is about exp(-4π²/3 · N · viscosity / jump); 16 e-folds are near 1e-7.
    """
    return math.ceil(16 * 3 / (4 * math.pi**2) * jump / viscosity)


def substeps_for(num_points: int, speed: float, interval: float) -> int:
    """Time steps in an interval such that a wave of this speed moves at most half a grid cell in each."""
    return max(1, math.ceil(2 * interval * speed * num_points))


def _solve_part(u_BN: Tensor, nu_B1: Tensor, interval: float, num_times: int, substeps: int) -> Tensor:
    num_points = u_BN.shape[1]
    mode_K = torch.arange(num_points // 2 + 1, dtype=torch.float64)
    wave_K = 2 * math.pi * mode_K
    # products of two fields alias beyond 2/3 of the modes
    flux_K = torch.where(mode_K < num_points / 3, -0.5j * wave_K, torch.zeros_like(wave_K))
    c = coefficients(-nu_B1 * wave_K**2, interval / substeps)

    def tendency(v_BK: Tensor) -> Tensor:
        square_BK: Tensor = torch.fft.rfft(torch.fft.irfft(v_BK, n=num_points).square_())
        return flux_K * square_BK

    v_BK = torch.fft.rfft(u_BN)
    frames = [u_BN]
    for _ in range(num_times - 1):
        for _ in range(substeps):
            v_BK = _step(v_BK, c, tendency)
        frames.append(torch.fft.irfft(v_BK, n=num_points))
    return torch.stack(frames, dim=1)


def _step(v_BK: Tensor, c: Coefficients, tendency: Callable[[Tensor], Tensor]) -> Tensor:
    decayed_BK = c.half * v_BK
    n0_BK = tendency(v_BK)
    a_BK = decayed_BK + c.stage * n0_BK
    na_BK = tendency(a_BK)
    nb_BK = tendency(decayed_BK + c.stage * na_BK)
    nc_BK = tendency(c.half * a_BK + c.stage * (2 * nb_BK - n0_BK))
    return c.full * v_BK + c.first * n0_BK + c.middle * (na_BK + nb_BK) + c.last * nc_BK
