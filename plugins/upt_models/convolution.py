"""Convolutional approximator: blocks in which latent tokens see their neighbours on the lattice."""

from __future__ import annotations

from pydantic import PositiveInt

from upt_core import DataSpec, LatentSpec
from upt_models.lattice_approximator import LatticeApproximator


class Convolution(LatticeApproximator):
    """Moves tokens on a lattice one time step on, each by what is near to it: (B, L, D) → (B, L, D).

    Tokens go through ``depth`` blocks ``x + W₂ gelu(W₁ near(x))``, where ``near`` is a token and its neighbours along
    every axis, and the answer is the change of the latent tokens, which starts near zero. A token hears ``depth + 1``
    tokens away in each direction: a signal must not travel further in one time step. Nothing is normalised token by
    token. Conditioning values shift and scale inside of every block, and start without effect.

    Good for local laws (transport and diffusion over few tokens, shocks) with few parameters. Not for laws that act at
    a distance at once (pressure in incompressible flow, steady problems): use ``spectral``. Needs ``latent.tokens`` as
    a list.

    Args:
        width: width of the blocks. Good: 32 to 64, more than the latent tokens have.
        hidden: size inside of a block; None: twice the width.
        depth: number of blocks. Good: 3 to 6.
        positions: whether tokens get learned positions; None: where an axis is open. Say true where the law differs
            from place to place on a periodic domain (a fixed forcing, an obstacle).
        condition: whether to use the conditioning values, if the data set has any.
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
