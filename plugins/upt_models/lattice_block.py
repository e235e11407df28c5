"""The residual block of approximators on a lattice: tokens see their neighbours, or all tokens through few modes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import gelu

from upt_models.initialise import initialise, scale_, zero_
from upt_models.lattice import NeighbourMixing
from upt_models.spectral_mixing import SpectralMixing


class LatticeBlock(nn.Module):
    """``x + W₂ gelu(W₁ x + S x)`` for tokens on a lattice: (B, V…, D) → (B, V…, D).

    W₁ acts on each token, or on it and its neighbours; S mixes the lowest modes of the lattice. Tokens are not
    normalised: their size is information. A condition shifts and scales what gelu is given, and starts without effect.

    Args:
        lattice: tokens along each axis.
        periodic: for each axis, whether it wraps around.
        width: D.
        hidden: size between W₁ and W₂.
        modes: lowest modes along each axis that S mixes; None: no S.
        neighbours: whether W₁ sees a token's neighbours.
        condition_width: size of the embedded condition; 0: there is none.
    """

    def __init__(
        self,
        lattice: Sequence[int],
        periodic: Sequence[bool],
        width: int,
        hidden: int,
        modes: Sequence[int] | None,
        neighbours: bool,
        condition_width: int = 0,
    ) -> None:
        super().__init__()
        self.inner = NeighbourMixing(width, hidden, periodic) if neighbours else nn.Linear(width, hidden)
        self.spectral = None if modes is None else SpectralMixing(lattice, periodic, width, hidden, modes)
        self.out = nn.Linear(hidden, width)
        self.modulation = nn.Linear(condition_width, 2 * hidden) if condition_width else None
        initialise(self)
        scale_([self.out], 0.5)
        if self.modulation is not None:
            zero_(self.modulation)

    def forward(self, x_BVD: Tensor, condition_BE: Tensor | None = None) -> Tensor:
        """The tokens after this block."""
        hidden_BVH = self.inner(x_BVD)
        if self.spectral is not None:
            hidden_BVH = hidden_BVH + self.spectral(x_BVD)
        if self.modulation is not None and condition_BE is not None:
            modulation_BE = self.modulation(condition_BE)
            shift, scale = modulation_BE.view(x_BVD.shape[0], *[1] * (x_BVD.ndim - 2), -1).chunk(2, dim=-1)
            hidden_BVH = hidden_BVH * (1 + scale) + shift
        mixed_BVD: Tensor = x_BVD + self.out(gelu(hidden_BVH))
        return mixed_BVD
