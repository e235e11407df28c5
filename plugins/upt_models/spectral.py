"""Spectral approximator: blocks that mix the lowest modes of the lattice of latent tokens."""

from __future__ import annotations

from pydantic import PositiveInt

from upt_core import DataSpec, LatentSpec
from upt_models.lattice_approximator import LatticeApproximator, per_axis


class Spectral(LatticeApproximator):
    """Advances tokens on a lattice by one time step, by their lowest Fourier modes: (B, L, D) → (B, L, D).

    Tokens are joined with their neighbours and widened, go through ``depth`` blocks ``x + W₂ gelu(W₁ x + S x)``, where
    S multiplies the lowest modes of the lattice by learned complex matrices. The output is the change of the latent
    tokens, which starts near zero. On periodic axes modes wrap around; an open axis is continued by its mirror image.
    Tokens are not normalised, so amplitudes are kept. Conditions (time step, viscosity, …) shift and scale inside every
    block, and have no effect at the start.

    Good for smooth states and waves on domains of a simple shape. Not for shocks finer than a token on open axes with
    few modes: use ``neighbours``, or ``convolution`` there. Needs ``latent.tokens`` as a list.

    Args:
        width: width of the blocks. Good: 32 to 64, more than that of the latent tokens.
        hidden: hidden size of a block; None: twice the width.
        depth: number of blocks. Good: 3 to 4.
        modes: lowest modes kept along each axis, including the mean, one number for all axes or one for each: whole
            waves on a periodic axis, half waves on an open one. If it exceeds the modes of the lattice, all are kept.
            Good: 16 in one dimension, 6 to 8 in two.
        neighbours: whether blocks also use each token's neighbours, at a higher cost. Good in two and three dimensions.
        positions: whether tokens get learned positions; None: if an axis is open. Set it to true if the equations
            depend on the position in a periodic domain (a fixed forcing, an obstacle).
        condition: whether to use the conditions, if the data set has any.

    Source: Z. Li et al., Fourier Neural Operator (arXiv 2010.08895), for S.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        width: PositiveInt = 32,
        hidden: PositiveInt | None = None,
        depth: PositiveInt = 3,
        modes: PositiveInt | list[PositiveInt] = 16,
        neighbours: bool = False,
        positions: bool | None = None,
        condition: bool = True,
    ) -> None:
        super().__init__(
            "approximator 'spectral'",
            data,
            latent,
            width=width,
            hidden=2 * width if hidden is None else hidden,
            depth=depth,
            modes=per_axis("modes", modes, data.num_axes),
            neighbours=neighbours,
            positions=not all(data.periodic) if positions is None else positions,
            names=data.condition if condition else (),
        )
