"""Latent transformer: moves the latent tokens one time step on."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from upt_core import Approximator, DataSpec, LatentSpec
from upt_models.blocks import SelfBlock
from upt_models.checks import check_condition
from upt_models.initialise import initialise, scale_
from upt_models.modulation import ConditionEmbedding

WHAT = "approximator 'transformer'"
NEAR_IDENTITY = 0.1
"""Size of the first step of a residual approximator, relative to Xavier's; not 0, so that gradients flow at once."""


class Transformer(Approximator):
    """Transformer blocks on the latent tokens: (B, L, D) → (B, L, D).

    Conditions (time step, viscosity, …) act through adaptive layer norm on every block, and have no effect at the start
    (arXiv 2212.09748). The new tokens are normalised one by one, as those of the encoders ``grid`` and ``supernode``,
    so their size stays the same in long rollouts.

    Args:
        width: width of the blocks; None: that of the latent tokens.
        depth: number of blocks. Good: 4 to 8.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
        condition: whether to use the conditions, if the data set has any.
        residual: whether the blocks compute the change of the latent tokens, starting near zero (good for time steps),
            or the new tokens.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        width: PositiveInt | None = None,
        depth: PositiveInt = 4,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 4.0,
        condition: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        width = latent.dim if width is None else width
        self.names = data.condition if condition else ()
        self.residual = residual
        self.embed_condition = ConditionEmbedding(len(self.names), width) if self.names else None
        self.embed_latent = nn.Linear(latent.dim, width) if width != latent.dim else nn.Identity()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, latent.dim)
        self.norm_latent = nn.LayerNorm(latent.dim)
        initialise(self)
        if residual:
            scale_([self.head], NEAR_IDENTITY)
        self.blocks = nn.ModuleList(
            SelfBlock(width, heads, mlp_ratio, conditioned=bool(self.names), depth=depth) for _ in range(depth)
        )

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The latent tokens one time step later.

        Raises:
            ValueError: the approximator was built for conditioning values that do not come.
        """
        condition_BD = self._embedded(condition_BP)
        x_BLD = self.embed_latent(latent_BLD)
        for block in self.blocks:
            x_BLD = block(x_BLD, condition_BD)
        change_BLD = self.head(self.norm(x_BLD))
        next_BLD: Tensor = self.norm_latent(latent_BLD + change_BLD if self.residual else change_BLD)
        return next_BLD

    def _embedded(self, condition_BP: Tensor | None) -> Tensor | None:
        if self.embed_condition is None:
            return None
        embedded_BD: Tensor = self.embed_condition(check_condition(WHAT, self.names, condition_BP))
        return embedded_BD
