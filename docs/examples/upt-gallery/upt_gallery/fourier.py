"""A Fourier transform instead of attention: tokens are mixed without a parameter."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from upt_core import Approximator, DataSpec, LatentSpec


class Fourier(Approximator):
    """Blocks of a Fourier transform over tokens and width, and an MLP on each token; the last adds the change.

    The real part of the transform is kept, as the source does. It mixes all tokens in O(L log L) and has no
    parameters. ``spectral`` among the built-in parts has a matrix for each mode instead, which learns more and needs
    tokens on a lattice.

    Args:
        depth: number of blocks; 1 to 6.
        hidden: width of the MLPs, as a multiple of the token's; 1 to 4.

    Source: Lee-Thorp et al., FNet: mixing tokens with Fourier transforms, NAACL 2022.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        depth: PositiveInt = 2,
        hidden: Annotated[float, Field(gt=0)] = 2.0,
    ) -> None:
        super().__init__()
        width = max(1, round(hidden * latent.dim))
        self.conditions = nn.Linear(len(data.condition), latent.dim) if data.condition else None
        self.before = nn.ModuleList(nn.LayerNorm(latent.dim) for _ in range(depth))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(latent.dim), nn.Linear(latent.dim, width), nn.GELU(), nn.Linear(width, latent.dim)
            )
            for _ in range(depth)
        )
        self.change = nn.Linear(latent.dim, latent.dim)

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """latent_BLD one time step on."""
        hidden_BLD = latent_BLD
        if self.conditions is not None and condition_BP is not None:
            hidden_BLD = hidden_BLD + self.conditions(condition_BP).unsqueeze(1)
        for norm, block in zip(self.before, self.blocks, strict=True):
            hidden_BLD = hidden_BLD + mixed(norm(hidden_BLD))
            hidden_BLD = hidden_BLD + block(hidden_BLD)
        change_BLD: Tensor = self.change(hidden_BLD)
        return latent_BLD + change_BLD


def mixed(value_BLD: Tensor) -> Tensor:
    """The real part of the transform over tokens and width, of the size of its input. float32: half has no FFT."""
    return torch.fft.fft2(value_BLD.float(), norm="ortho").real.to(value_BLD.dtype)
