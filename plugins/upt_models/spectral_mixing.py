"""Convolution of tokens on a lattice by their lowest Fourier modes, as products with small real matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from upt_models.full_precision import full_precision


class SpectralMixing(nn.Module):
    """A global convolution that acts on the lowest modes alone: (B, V…, D) → (B, V…, H), in float32 at least.

    Mode k of the answer is R_k times mode k of the input, with a learned complex matrix R_k; all higher modes are 0. On
    a periodic axis modes are those of the discrete Fourier transform. An open axis is continued by its mirror image, so
    that it has no jump at its ends: the input's modes are cosines (the discrete cosine transform), whose phase R_k may
    shift. With few modes, products with matrices are two to four times faster than FFTs, up to 4,096 tokens along an
    axis (measured on a CPU with 16 modes), and their cost grows linearly with the tokens.

    Args:
        lattice: tokens along each axis.
        periodic: for each axis, whether it wraps around.
        width: D.
        out: H.
        modes: lowest modes kept along each axis, the mean among them; at most those that an axis has.

    Source: Z. Li et al., Fourier Neural Operator for Parametric Partial Differential Equations (arXiv 2010.08895).
    """

    def __init__(
        self, lattice: Sequence[int], periodic: Sequence[bool], width: int, out: int, modes: Sequence[int]
    ) -> None:
        super().__init__()
        self.last, num_modes = len(lattice) - 1, 1
        for axis, (tokens, wraps, kept) in enumerate(zip(lattice, periodic, modes, strict=True)):
            analysis, synthesis = _transforms(tokens, wraps, kept, real=axis == self.last)
            self.register_buffer(f"analysis_{axis}", analysis, persistent=False)
            self.register_buffer(f"synthesis_{axis}", synthesis, persistent=False)
            num_modes *= synthesis.shape[1] // 2
        self.weight = nn.Parameter(torch.randn(2, num_modes, width, out) * (0.5 / width))

    def forward(self, x_BVD: Tensor) -> Tensor:
        """The convolved tokens."""
        with full_precision(x_BVD):
            return self._tokens(self._mixed(self._modes(x_BVD.to(self.weight.dtype))))

    def _modes(self, x_BVD: Tensor) -> Tensor:
        """Real and imaginary parts (R = 2) of the modes (B, R, V…, D), axis by axis from the last to the first."""
        modes = _along(self.get_buffer(f"analysis_{self.last}"), x_BVD, self.last + 1)
        for axis in reversed(range(self.last)):  # R stands before the axis that was last transformed
            modes = _along(self.get_buffer(f"analysis_{axis}"), modes.movedim(axis + 2, axis + 1), axis + 1, 2)
        return modes

    def _mixed(self, modes_BRVD: Tensor) -> Tensor:
        """Each mode times its complex matrix, as a product of real ones."""
        batch, parts, *lattice, _ = modes_BRVD.shape
        real_KDH, imag_KDH = self.weight
        matrix_KDH = torch.cat([torch.cat([real_KDH, imag_KDH], -1), torch.cat([-imag_KDH, real_KDH], -1)], 1)
        mode_KBD = modes_BRVD.flatten(2, -2).permute(2, 0, 1, 3).flatten(2)
        mixed_KBRH = torch.bmm(mode_KBD, matrix_KDH).view(len(mode_KBD), batch, parts, -1)
        return mixed_KBRH.permute(1, 2, 0, 3).reshape(batch, parts, *lattice, -1)

    def _tokens(self, modes_BRVH: Tensor) -> Tensor:
        """The tokens that have these modes, axis by axis from the first to the last."""
        tokens = modes_BRVH
        for axis in range(self.last):
            tokens = _along(self.get_buffer(f"synthesis_{axis}"), tokens, axis + 1, 2).movedim(axis + 1, axis + 2)
        return _along(self.get_buffer(f"synthesis_{self.last}"), tokens, self.last + 1, 2, real=True)


def _along(matrix: Tensor, value: Tensor, axis: int, joined: int = 1, real: bool = False) -> Tensor:
    """The product of a matrix with an axis of a tensor; its rows are two parts, which become an axis before it.

    Args:
        joined: 2 where the parts stand before the axis already, and are joined with it.
        real: whether the rows are one part.
    """
    before, after = value.shape[:axis], value.shape[axis + joined :]
    product = matrix @ value.reshape(math.prod(before), matrix.shape[1], math.prod(after))
    return product.view(*before, *(() if real else (2,)), -1, *after)


def _transforms(tokens: int, wraps: bool, kept: int, real: bool) -> tuple[Tensor, Tensor]:
    """Matrices from the tokens of an axis to real and imaginary parts of its modes, and back.

    Args:
        real: whether the tokens are real numbers, so that negative modes follow from the positive ones; else they have
            two parts themselves.
    """
    place_N = torch.arange(tokens, dtype=torch.float64) + (0.0 if wraps else 0.5)
    top = min(kept - 1, tokens // 2 if wraps else tokens - 1)
    both = wraps and 2 * top == tokens  # the two modes of highest frequency are one
    wave_K = torch.arange(0 if real else -top + both, top + 1, dtype=torch.float64)
    angle_KN = torch.outer(wave_K, place_N) * ((2 if wraps else 1) * math.pi / tokens)
    cosine_KN, sine_KN = angle_KN.cos() * tokens**-0.5, angle_KN.sin() * tokens**-0.5
    analysed_KN = sine_KN if wraps else torch.zeros_like(sine_KN)  # a mirrored axis has cosines only
    if real:
        twice_K1 = torch.where((wave_K == 0) | (2 * wave_K == tokens if wraps else False), 1.0, 2.0).unsqueeze(1)
        analysis = torch.cat([cosine_KN, -analysed_KN])
        synthesis = torch.cat([cosine_KN * twice_K1, -sine_KN * twice_K1]).mT
    else:
        analysis = _complex(cosine_KN, -analysed_KN)
        synthesis = _complex(cosine_KN.mT, sine_KN.mT)
    return analysis.float().contiguous(), synthesis.float().contiguous()


def _complex(real: Tensor, imag: Tensor) -> Tensor:
    """A complex matrix as a real one, which acts on real and imaginary parts under one another."""
    return torch.cat([torch.cat([real, -imag], dim=1), torch.cat([imag, real], dim=1)])
