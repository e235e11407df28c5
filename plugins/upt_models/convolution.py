"""Convolutional approximator: blocks in which latent tokens see their neighbours on the lattice."""

from __future__ import annotations

from pydantic import PositiveInt

from upt_core import DataSpec, LatentSpec
from upt_models.lattice_approximator import LatticeApproximator


class Convolution(LatticeApproximator):
    """Advances tokens on a lattice by one time step, each from its neighbours: (B, L, D) → (B, L, D).

    Tokens go through ``depth`` blocks ``x + W₂ gelu(W₁ near(x))``, where ``near`` is a token and its neighbours along
    every axis. The output is the change of the latent tokens, which starts near zero. A token sees tokens up to ``depth
    + 1`` away in each direction: a signal must not travel further in one time step. Tokens are not normalised.
    Conditions shift and scale inside every block, and have no effect at the start.

    Good for local equations (transport and diffusion over few tokens, shocks), with few parameters. Not for equations
    with instantaneous effects at a distance (pressure in incompressible flow, steady problems): use ``spectral`` there.
    Needs ``latent.tokens`` as a list.

    Args:
        width: width of the blocks. Good: 32 to 64, more than that of the latent tokens.
        hidden: hidden size of a block; None: twice the width.
        depth: number of blocks. Good: 3 to 6.
        positions: whether tokens get learned positions; None: if an axis is open. Set it to true if the equations
            depend on the position in a periodic domain (a fixed forcing, an obstacle).
        condition: whether to use the conditions, if the data set has any.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        width: PositiveInt = 32,
        hidden: PositiveInt | None = None,
        depth: PositiveInt = 4,
        positions: bool | None = None,
        condition: bool = True,
    ) -> None:
        super().__init__(
            "approximator 'convolution'",
            data,
            latent,
            width=width,
            hidden=2 * width if hidden is None else hidden,
            depth=depth,
            modes=None,
            neighbours=True,
            positions=not all(data.periodic) if positions is None else positions,
            names=data.condition if condition else (),
        )
