"""Spectral approximator: blocks that mix the lowest modes of the lattice of latent tokens."""

from __future__ import annotations

from pydantic import PositiveInt

from upt_core import DataSpec, LatentSpec
from upt_models.lattice_approximator import LatticeApproximator, per_axis


class Spectral(LatticeApproximator):
    """Moves tokens on a lattice one time step on, by their lowest modes: (B, L, D) → (B, L, D).

    Tokens are joined with their neighbours and widened, go through ``depth`` blocks ``x + W₂ gelu(W₁ x + S x)``, where
    S multiplies the lowest modes of the lattice by learned complex matrices, and the answer is the change of the latent
    tokens, which starts near zero. On periodic axes modes wrap around; an open axis is continued by its mirror image.
    Nothing is normalised token by token, so amplitudes stay what they are. Conditioning values (time step, viscosity,
    …) shift and scale inside of every block, and start without effect.

    Good for smooth states and waves on domains of a simple shape. Not for shocks finer than a token on open axes with
    few modes: use ``neighbours``, or ``convolution``. Needs ``latent.tokens`` as a list.

    Args:
        width: width of the blocks. Good: 32 to 64, more than the latent tokens have.
        hidden: size inside of a block; None: twice the width.
        depth: number of blocks. Good: 3 to 4.
        modes: lowest modes kept along each axis, the mean among them, one number for all axes or one for each: whole
            waves on a periodic axis, half waves on an open one. More than the lattice has count as all. Good: 16 in one
            dimension, 6 to 8 in two.
        neighbours: whether blocks also look at each token's neighbours; dearer. Good in two and three dimensions.
        positions: whether tokens get learned positions; None: where an axis is open. Say true where the law differs
            from place to place on a periodic domain (a fixed forcing, an obstacle).
        condition: whether to use the conditioning values, if the data set has any.

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
