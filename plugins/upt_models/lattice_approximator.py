"""What approximators on a lattice have in common: they widen the tokens, mix them in blocks, and add the change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from upt_core import Approximator, DataSpec, LatentSpec
from upt_models.checks import check_condition
from upt_models.initialise import initialise, scale_
from upt_models.lattice import NeighbourMixing, lattice_of
from upt_models.lattice_block import LatticeBlock
from upt_models.modulation import ConditionEmbedding

NEAR_IDENTITY = 0.1
"""Size of the first step, relative to Xavier's; not 0, so that gradients flow at once."""


class LatticeApproximator(Approximator):
    """``z + W_o blocks(W_i near(z))``: (B, L, D) → (B, L, D), with blocks of ``LatticeBlock``.

    Args:
        what: how messages call the approximator.
        width: width of the blocks.
        hidden: size inside of each block.
        depth: number of blocks.
        modes: lowest modes along each axis that blocks mix; None: none.
        neighbours: whether blocks look at each token's neighbours.
        positions: whether tokens get learned positions, for laws that differ from place to place.
        names: of the conditioning values that modulate the blocks.
    """

    def __init__(
        self,
        what: str,
        data: DataSpec,
        latent: LatentSpec,
        *,
        width: int,
        hidden: int,
        depth: int,
        modes: Sequence[int] | None,
        neighbours: bool,
        positions: bool,
        names: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.what, self.names, self.lattice = what, names, lattice_of(what, data, latent)
        self.embed_condition = ConditionEmbedding(len(names), width) if names else None
        self.widen = NeighbourMixing(latent.dim, width, data.periodic)
        self.positions_VD = nn.Parameter(torch.randn(*self.lattice, width) * 0.02) if positions else None
        self.head = nn.Linear(width, latent.dim)
        initialise(self)
        scale_([self.head], NEAR_IDENTITY)
        condition_width = width if names else 0
        self.blocks = nn.ModuleList(
            LatticeBlock(self.lattice, data.periodic, width, hidden, modes, neighbours, condition_width)
            for _ in range(depth)
        )

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The latent tokens one time step later.

        Raises:
            ValueError: the approximator was built for conditioning values that do not come.
        """
        condition_BD = None
        if self.embed_condition is not None:
            condition_BD = self.embed_condition(check_condition(self.what, self.names, condition_BP))
        x_BVD = self.widen(latent_BLD.reshape(latent_BLD.shape[0], *self.lattice, -1))
        if self.positions_VD is not None:
            x_BVD = x_BVD + self.positions_VD
        for block in self.blocks:
            x_BVD = block(x_BVD, condition_BD)
        next_BLD: Tensor = latent_BLD + self.head(x_BVD).flatten(1, -2)
        return next_BLD


def per_axis(name: str, value: int | Sequence[int], num_axes: int) -> tuple[int, ...]:
    """One number for each axis, of one for all or of one for each.

    Raises:
        ValueError: there are more or fewer numbers than axes.
    """
    numbers = (value,) * num_axes if isinstance(value, int) else tuple(value)
    if len(numbers) != num_axes:
        raise ValueError(f"{name} {list(numbers)} needs one number for all axes, or one for each of {num_axes}")
    return numbers
