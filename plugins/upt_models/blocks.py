"""Transformer blocks, normalised before each branch: self-attention or cross-attention, then an MLP."""

from __future__ import annotations

from torch import Tensor, nn

from upt_models.attention import Core, CrossAttention, SelfAttention
from upt_models.initialise import initialise, scale_
from upt_models.mlp import MLP
from upt_models.modulation import Modulation


class SelfBlock(nn.Module):
    """Self-attention and MLP, each as a residual branch: (B, L, D) → (B, L, D).

    Args:
        width: D.
        heads: H, which must divide the width.
        mlp_ratio: hidden size of the MLP in widths.
        conditioned: whether an embedded condition (B, D) shifts, scales and gates both branches.
        depth: number of blocks in the stack; branches start smaller in deeper stacks.
        rotary: turns queries and keys by the places of their tokens; None: tokens have no places.
        core: how tokens look at each other; None: each at all, by scaled dot products.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_ratio: float,
        conditioned: bool = False,
        depth: int = 1,
        rotary: nn.Module | None = None,
        core: Core | None = None,
    ) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=not conditioned)
        self.attention = SelfAttention(width, heads, rotary, core)
        self.norm_mlp = nn.LayerNorm(width, elementwise_affine=not conditioned)
        self.mlp = MLP(width, round(mlp_ratio * width))
        self.modulation = Modulation(width) if conditioned else None
        initialise(self)
        scale_((self.attention.out, self.mlp.out), (2 * depth) ** -0.5)
        if self.modulation is not None:
            self.modulation.initialise()

    def forward(self, x_BLD: Tensor, condition_BD: Tensor | None = None, mask_BL: Tensor | None = None) -> Tensor:
        """``mask_BL`` is True where a token may be looked at; None: everywhere."""
        if self.modulation is None or condition_BD is None:
            x_BLD = x_BLD + self.attention(self.norm_attention(x_BLD), mask_BL)
            mixed_BLD: Tensor = x_BLD + self.mlp(self.norm_mlp(x_BLD))
            return mixed_BLD
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(condition_BD)
        attended = self.attention(self.norm_attention(x_BLD) * (1 + scale_a) + shift_a, mask_BL)
        x_BLD = x_BLD + (1 + gate_a) * attended
        modulated_BLD: Tensor = x_BLD + (1 + gate_m) * self.mlp(self.norm_mlp(x_BLD) * (1 + scale_m) + shift_m)
        return modulated_BLD


class CrossBlock(nn.Module):
    """Cross-attention onto a context and MLP, each as a residual branch; rows do not see each other.

    Args:
        width: D of the rows.
        context_width: D of the context.
        heads: H, which must divide the width.
        mlp_ratio: hidden size of the MLP in widths.
        depth: number of blocks in the stack; branches start smaller in deeper stacks.
    """

    def __init__(self, width: int, context_width: int, heads: int, mlp_ratio: float, depth: int = 1) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(context_width)
        self.attention = CrossAttention(width, context_width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = MLP(width, round(mlp_ratio * width))
        initialise(self)
        scale_((self.attention.out, self.mlp.out), (2 * depth) ** -0.5)

    def forward(self, x_BQD: Tensor, context_BLD: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        """``mask_BL`` is True where a token of the context may be looked at; None: everywhere."""
        x_BQD = x_BQD + self.attention(self.norm_attention(x_BQD), self.norm_context(context_BLD), mask_BL)
        mixed_BQD: Tensor = x_BQD + self.mlp(self.norm_mlp(x_BQD))
        return mixed_BQD
