"""Exact solution of the vector Burgers equation on the unit torus, at any time, on a grid or at any points.

The Cole-Hopf transformation u = -2 ν ∇ ln θ turns u_t + (u · ∇) u = ν Δu, with u the gradient of a potential at the
start, into the heat equation θ_t = ν Δθ, whose Fourier modes decay exactly. Source: J. D. Cole, On a quasi-linear
parabolic equation occurring in aerodynamics, Quart. Appl. Math. 9 (1951); E. Hopf, Comm. Pure Appl. Math. 3 (1950).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MODES = 128
"""Fourier modes of θ along each axis. θ is the exponential of a smooth potential, so its modes fall super-fast."""

NEGLIGIBLE = 1e-16
"""Modes below this share of the largest are left out at scattered points."""


@dataclass(frozen=True)
class Potential:
    """A sum of plane waves on the unit torus: Σ amplitude · cos(2π · mode · x + phase).

    Args:
        amplitude_M: amplitude of each wave.
        mode_M2: whole wave numbers of each wave along x and y.
        phase_M: phase of each wave.
    """

    amplitude_M: Tensor
    mode_M2: Tensor
    phase_M: Tensor

    def value(self, pos_N2: Tensor) -> Tensor:
        """The potential at points, (N,)."""
        return self._angle(pos_N2).cos() @ self.amplitude_M

    def gradient(self, pos_N2: Tensor) -> Tensor:
        """The initial velocity at points, (N, 2)."""
        slope_NM = -self._angle(pos_N2).sin() * self.amplitude_M
        return 2 * math.pi * slope_NM @ self.mode_M2

    def _angle(self, pos_N2: Tensor) -> Tensor:
        return 2 * math.pi * pos_N2 @ self.mode_M2.T + self.phase_M


def random_potential(num_waves: int, max_mode: int, generator: torch.Generator) -> Potential:
    """A random potential whose gradient's absolute value stays within 1.

    Wave numbers along x and y are drawn from -``max_mode`` to ``max_mode`` (not both 0).
    """
    side = torch.arange(-max_mode, max_mode + 1, dtype=torch.float64)
    all_modes = torch.cartesian_prod(side, side)
    all_modes = all_modes[all_modes.abs().sum(1) > 0]
    mode_M2 = all_modes[torch.randint(len(all_modes), (num_waves,), generator=generator)]
    speed_M = torch.randn(num_waves, generator=generator, dtype=torch.float64) / mode_M2.norm(dim=1)
    speed_M = speed_M / speed_M.abs().sum()
    phase_M = 2 * math.pi * torch.rand(num_waves, generator=generator, dtype=torch.float64)
    return Potential(speed_M / (2 * math.pi * mode_M2.norm(dim=1)), mode_M2, phase_M)


def solve_on_grid(potential: Potential, viscosity: float, points: int, time_T: Tensor) -> Tensor:
    """The velocity on ``points`` × ``points`` grid vertices (i / points), row-major: (T, N, 2)."""
    heat_T3KK = _heat_modes(potential, viscosity, time_T, modes=points * math.ceil(MODES / points))
    fold = heat_T3KK.shape[-1] // points
    # on a coarser grid modes that differ by its size are the same function, so their sum is exact
    folded = heat_T3KK.reshape(len(time_T), 3, fold, points, fold, points).sum((2, 4))
    theta_T3N = torch.fft.ifft2(folded, norm="forward").real.flatten(2)
    axis = torch.arange(points, dtype=torch.float64) / points
    return _velocity(theta_T3N, potential, viscosity, torch.cartesian_prod(axis, axis), time_T)


def solve_at_points(potential: Potential, viscosity: float, pos_N2: Tensor, time_T: Tensor) -> Tensor:
    """The velocity at any points of the unit torus: (T, N, 2)."""
    heat_T3KK = _heat_modes(potential, viscosity, time_T, modes=MODES)
    frames = [_evaluate(_trimmed(heat_3KK), pos_N2) for heat_3KK in heat_T3KK]
    return _velocity(torch.stack(frames), potential, viscosity, pos_N2, time_T)


def _heat_modes(potential: Potential, viscosity: float, time_T: Tensor, modes: int) -> Tensor:
    """Fourier modes of θ, ∂θ/∂x and ∂θ/∂y, (T, 3, K, K)."""
    axis = torch.arange(modes, dtype=torch.float64) / modes
    exponent_N = -potential.value(torch.cartesian_prod(axis, axis)) / (2 * viscosity)
    theta = (exponent_N - exponent_N.max()).exp().view(modes, modes)
    theta_KK = torch.fft.fft2(theta, norm="forward")
    wave_K = 2 * math.pi * torch.fft.fftfreq(modes, 1 / modes, dtype=torch.float64)
    wave_x, wave_y = wave_K[:, None], wave_K[None, :]
    decay_TKK = (-viscosity * time_T[:, None, None] * (wave_x**2 + wave_y**2)).exp()
    with_gradient = torch.stack([theta_KK, 1j * wave_x * theta_KK, 1j * wave_y * theta_KK])
    heat_T3KK: Tensor = decay_TKK.unsqueeze(1) * with_gradient
    return heat_T3KK


def _trimmed(heat_3KK: Tensor) -> Tensor:
    """The modes 0 … W along x and -W … W along y, W as small as the negligible modes allow: (3, W + 1, 2 W + 1).

    Values are real, so the modes of negative x are the conjugates of those kept, which count twice instead.
    """
    size = heat_3KK.shape[-1]
    magnitude = heat_3KK.abs()
    large = (magnitude > NEGLIGIBLE * magnitude.amax((1, 2), keepdim=True)).any(0)
    frequency = torch.fft.fftfreq(size, 1 / size).abs()
    widest = int(max(frequency[large.any(1)].max(), frequency[large.any(0)].max()))
    widest = min(widest, size // 2 - 1)
    twice = torch.full((widest + 1, 1), 2.0, dtype=torch.float64)
    twice[0] = 1
    return heat_3KK[:, : widest + 1, torch.arange(-widest, widest + 1) % size] * twice


def _evaluate(modes_3KK: Tensor, pos_N2: Tensor) -> Tensor:
    """Real values (3, N) of trimmed Fourier series at points; small matrix products, since plane waves separate."""
    widest = modes_3KK.shape[1] - 1
    wave_K = 2 * math.pi * torch.arange(-widest, widest + 1, dtype=torch.float64)
    along_x_NK = torch.exp(1j * pos_N2[:, :1] * wave_K[widest:])
    along_y_NK = torch.exp(1j * pos_N2[:, 1:] * wave_K)
    return ((along_x_NK @ modes_3KK) * along_y_NK).sum(-1).real


def _velocity(theta_T3N: Tensor, potential: Potential, viscosity: float, pos_N2: Tensor, time_T: Tensor) -> Tensor:
    velocity_TN2 = (-2 * viscosity * theta_T3N[:, 1:] / theta_T3N[:, :1]).transpose(1, 2).contiguous()
    velocity_TN2[time_T == 0] = potential.gradient(pos_N2)  # exact, where the quotient is least accurate
    return velocity_TN2
