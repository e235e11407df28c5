"""Latent transformer: moves the latent tokens one time step on."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from upt_core import Approximator, DataSpec, LatentSpec
from upt_models.attention_kinds import Attention, cores_of, rotary_of, window_of, window_remarks
from upt_models.blocks import SelfBlock
from upt_models.checks import check_condition, check_heads
from upt_models.initialise import initialise, scale_
from upt_models.modulation import ConditionEmbedding

WHAT = "approximator 'transformer'"
NEAR_IDENTITY = 0.1
"""Size of the first step of a residual approximator, relative to Xavier's; not 0, so that gradients flow at once."""
WIDTH_ON_LATTICE = 64
"""Tokens on a lattice are many and narrow; attention needs more width than they have."""


class Transformer(Approximator):
    """Transformer blocks on the latent tokens: (B, L, D) → (B, L, D).

    Conditions (time step, viscosity, …) act through adaptive layer norm on every block, and have no effect at the start
    (arXiv 2212.09748).

    Tokens without a place (``latent.tokens`` is a number) are normalised one by one, as those of the encoders ``grid``
    and ``supernode``, so their size stays the same in long rollouts. Tokens on a lattice (``latent.tokens`` is a list)
    keep their size, which is information. Attention then depends on how far tokens lie apart (rotary positions, arXiv
    2104.09864), on periodic axes around the domain; if an axis is open, tokens also have learned positions.

    The cost of full attention grows with the square of the number of tokens; windowed and linear attention cost as much
    for each token, however many there are. Windows are shifted by half a window in every second block, so a signal
    travels about a window in two blocks. On periodic axes they wrap around; if they divide the axis, a state that is
    shifted by whole windows has the shifted answer, and other shifts have not. In linear attention each token attends
    to all through one sum over them (arXiv 2105.14995), with plane waves as rotary positions; shifts change nothing.
    All three have weights of the same shapes, so a model can start from one that was trained with another.

    Args:
        width: width of the blocks; None: that of the latent tokens, on a lattice at least 64.
        depth: number of blocks. Good: 4 to 8.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
        condition: whether to use the conditions, if the data set has any.
        residual: whether the blocks compute the change of the latent tokens, starting near zero (good for time steps),
            or the new tokens.
        positions: whether tokens on a lattice get learned positions besides; None: if an axis is open. Set it to true
            if the equations depend on the position in a periodic domain (a fixed forcing, an obstacle).
        attention: ``full``: each token attends to all; ``windowed``: to those of its window on the lattice; ``linear``:
            to all through one sum over them. Good: ``full`` up to about 100 tokens, then one of the others.
        window: tokens of a window along each axis, one number for all axes or one for each, for ``windowed`` alone. It
            need not divide the lattice; an axis with fewer tokens is one window. None: 16, 8 or 4 in 1, 2 or 3
            dimensions.

    Source: B. Alkin et al., Universal Physics Transformers (arXiv 2402.12365); Z. Liu et al., Swin Transformer (arXiv
    2103.14030), for windows.
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
        positions: bool | None = None,
        attention: Attention = "full",
        window: PositiveInt | list[PositiveInt] | None = None,
    ) -> None:
        super().__init__()
        width = _width(latent) if width is None else width
        check_heads(width, heads)
        self.names = data.condition if condition else ()
        self.residual = residual
        sizes = window_of(WHAT, attention, window, data, latent)
        self.embed_condition = ConditionEmbedding(len(self.names), width) if self.names else None
        self.embed_latent = nn.Linear(latent.dim, width) if width != latent.dim else nn.Identity()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, latent.dim)
        self.norm_latent = nn.LayerNorm(latent.dim) if latent.lattice is None else nn.Identity()
        rotary, self.positions_LD = None, None
        if latent.lattice is not None:
            rotary = rotary_of(WHAT, attention, data, latent, width, heads)
            if not all(data.periodic) if positions is None else positions:
                self.positions_LD = nn.Parameter(torch.randn(latent.tokens, width) * 0.02)
        elif positions:
            raise ValueError(
                f"the {WHAT} was given positions: true, but latent.tokens is {latent.tokens}, so tokens have no place; "
                f"write the tokens of each axis as a list, or leave positions out"
            )
        initialise(self)
        if residual:
            scale_([self.head], NEAR_IDENTITY)
        self.blocks = nn.ModuleList(
            SelfBlock(width, heads, mlp_ratio, bool(self.names), depth, rotary, core)
            for core in cores_of(attention, sizes, data, latent, depth)
        )
        self._remark = window_remarks(sizes, data, latent, depth)

    def remark(self) -> str:
        """Where windows do not do what they are for."""
        return self._remark

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The latent tokens one time step later.

        Raises:
            ValueError: the approximator was built for conditioning values that do not come.
        """
        condition_BD = self._embedded(condition_BP)
        x_BLD = self.embed_latent(latent_BLD)
        if self.positions_LD is not None:
            x_BLD = x_BLD + self.positions_LD
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


def _width(latent: LatentSpec) -> int:
    """Of the blocks, where none is given."""
    return latent.dim if latent.lattice is None else max(latent.dim, WIDTH_ON_LATTICE)
