"""Exact solution of the vector Burgers equation on the unit torus, at any time, on a grid or at any points.

The Cole-Hopf transformation u = -2 ν ∇ ln θ turns u_t + (u · ∇) u = ν Δu, with u the gradient of a potential at the
start, into the heat equation θ_t = ν Δθ, whose Fourier modes decay exactly. Source: J. D. Cole, On a quasi-linear
parabolic equation occurring in aerodynamics, Quart. Appl. Math. 9 (1951); E. Hopf, Comm. Pure Appl. Math. 3 (1950).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

MODES = {2: 128, 3: 64}
"""Fourier modes of θ along each axis, by the number of axes. θ is the exponential of a smooth potential, so its modes
fall super-fast."""

NEGLIGIBLE = 1e-16
"""Modes below this share of the largest are left out at scattered points."""


@dataclass(frozen=True)
class Potential:
    """A sum of plane waves on the unit torus: Σ amplitude · cos(2π · mode · x + phase).

    Args:
        amplitude_M: amplitude of each wave.
        mode_MX: whole wave numbers of each wave along each axis.
        phase_M: phase of each wave.
    """

    amplitude_M: Tensor
    mode_MX: Tensor
    phase_M: Tensor

    def value(self, pos_NX: Tensor) -> Tensor:
        """The potential at points, (N,)."""
        return self._angle(pos_NX).cos() @ self.amplitude_M

    def gradient(self, pos_NX: Tensor) -> Tensor:
        """The initial velocity at points, (N, X)."""
        slope_NM = -self._angle(pos_NX).sin() * self.amplitude_M
        return 2 * math.pi * slope_NM @ self.mode_MX

    def _angle(self, pos_NX: Tensor) -> Tensor:
        return 2 * math.pi * pos_NX @ self.mode_MX.T + self.phase_M


def random_potential(num_waves: int, max_mode: int, generator: torch.Generator, num_axes: int = 2) -> Potential:
    """A random potential whose gradient's absolute value stays within 1.

    Wave numbers along each axis are drawn from -``max_mode`` to ``max_mode`` (not all 0).
    """
    side = torch.arange(-max_mode, max_mode + 1, dtype=torch.float64)
    all_modes = torch.cartesian_prod(*[side] * num_axes)
    all_modes = all_modes[all_modes.abs().sum(1) > 0]
    mode_MX = all_modes[torch.randint(len(all_modes), (num_waves,), generator=generator)]
    speed_M = torch.randn(num_waves, generator=generator, dtype=torch.float64) / mode_MX.norm(dim=1)
    speed_M = speed_M / speed_M.abs().sum()
    phase_M = 2 * math.pi * torch.rand(num_waves, generator=generator, dtype=torch.float64)
    return Potential(speed_M / (2 * math.pi * mode_MX.norm(dim=1)), mode_MX, phase_M)


def solve_on_grid(potential: Potential, viscosity: float, points: int, time_T: Tensor) -> Tensor:
    """The velocity on a grid of ``points`` vertices (i / points) along each axis, row-major: (T, N, X)."""
    num_axes = potential.mode_MX.shape[1]
    fold = math.ceil(MODES[num_axes] / points)
    axes = tuple(range(-num_axes, 0))
    frames = []
    for heat in _heat_modes(potential, viscosity, time_T, modes=points * fold):
        # on a coarser grid modes that differ by its size are the same function, so their sum is exact
        folded = heat.reshape(-1, *(fold, points) * num_axes).sum(tuple(range(1, 2 * num_axes, 2)))
        frames.append(torch.fft.ifftn(folded, dim=axes, norm="forward").real.flatten(1))
    grid_NX = _vertices(points, num_axes)
    return _velocity(torch.stack(frames), potential, viscosity, grid_NX, time_T)


def solve_at_points(potential: Potential, viscosity: float, pos_N2: Tensor, time_T: Tensor) -> Tensor:
    """The velocity at any points of the unit torus of two dimensions: (T, N, 2)."""
    heat_modes = _heat_modes(potential, viscosity, time_T, modes=MODES[2])
    frames = [_evaluate(_trimmed(heat_3KK), pos_N2) for heat_3KK in heat_modes]
    return _velocity(torch.stack(frames), potential, viscosity, pos_N2, time_T)


def _heat_modes(potential: Potential, viscosity: float, time_T: Tensor, modes: int) -> Iterator[Tensor]:
    """Fourier modes of θ and of its derivative along each axis, (1 + X, K, …, K), time by time."""
    num_axes = potential.mode_MX.shape[1]
    exponent_N = -potential.value(_vertices(modes, num_axes)) / (2 * viscosity)
    theta = (exponent_N - exponent_N.max()).exp().view(*[modes] * num_axes)
    theta = torch.fft.fftn(theta, norm="forward")
    wave_K = 2 * math.pi * torch.fft.fftfreq(modes, 1 / modes, dtype=torch.float64)
    waves = [wave_K.view(-1, *[1] * (num_axes - 1 - axis)) for axis in range(num_axes)]
    square = functools.reduce(torch.add, (wave**2 for wave in waves))
    with_gradient = torch.stack([theta, *(1j * wave * theta for wave in waves)])
    for time in time_T:
        yield (-viscosity * time * square).exp() * with_gradient


def _vertices(points: int, num_axes: int) -> Tensor:
    """The vertices i / points of a grid on the unit torus, row-major: (N, X)."""
    return torch.cartesian_prod(*[torch.arange(points, dtype=torch.float64) / points] * num_axes)


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


def _velocity(theta_TYN: Tensor, potential: Potential, viscosity: float, pos_NX: Tensor, time_T: Tensor) -> Tensor:
    """-2 ν ∇θ / θ, (T, N, X), of θ and its gradient at the points, (T, 1 + X, N)."""
    velocity_TNX = (-2 * viscosity * theta_TYN[:, 1:] / theta_TYN[:, :1]).transpose(1, 2).contiguous()
    velocity_TNX[time_T == 0] = potential.gradient(pos_NX)  # exact, where the quotient is least accurate
    return velocity_TNX
