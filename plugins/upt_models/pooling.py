"""Perceiver pooling: any number of tokens → the L tokens of the latent state.

Source: A. Jaegle et al., Perceiver (arXiv 2103.03206); B. Alkin et al., Universal Physics Transformers
(arXiv 2402.12365), section 3.
"""

from __future__ import annotations

from torch import Tensor, nn

from upt_core import LatentSpec
from upt_models.blocks import CrossBlock
from upt_models.initialise import initialise


class PerceiverPooling(nn.Module):
    """L learned queries look at the tokens: (B, M, W) → (B, L, D), normalised token by token.

    Args:
        start_LW: what the queries start as: positions embedded as those of the tokens are, so that each query first
            attends to the tokens near its position.
        latent: L and D.
        heads: H, which must divide the width.
        mlp_ratio: hidden size of the MLP in widths.
    """

    def __init__(self, start_LW: Tensor, latent: LatentSpec, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        width = start_LW.shape[1]
        self.latent_queries_LD = nn.Parameter(start_LW.detach().clone())
        self.block = CrossBlock(width, width, heads, mlp_ratio)
        self.block.attention.match_keys_()
        self.to_latent = nn.Linear(width, latent.dim) if width != latent.dim else nn.Identity()
        self.norm = nn.LayerNorm(latent.dim)
        initialise(self.to_latent)

    def forward(self, tokens_BMD: Tensor, mask_BM: Tensor | None = None) -> Tensor:
        """``mask_BM`` is True where a token counts; None: everywhere."""
        queries_BLD = self.latent_queries_LD.expand(tokens_BMD.shape[0], -1, -1)
        latent_BLD: Tensor = self.norm(self.to_latent(self.block(queries_BLD, tokens_BMD, mask_BM)))
        return latent_BLD
