"""Multi-head attention through torch's fused kernels: attention weights never exist as a tensor."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from upt_models.checks import check_heads

Core = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Queries, keys and values (B, H, L, d), and mask_BL → (B, H, L, d): another way for tokens to look at each other."""


class SelfAttention(nn.Module):
    """Tokens look at each other: (B, L, D) → (B, L, D).

    Args:
        width: D.
        heads: H, which must divide the width.
        rotary: turns queries and keys by the places of their tokens; None: tokens have no places.
        core: how tokens look at each other; None: each at all, by scaled dot products.
    """

    def __init__(self, width: int, heads: int, rotary: nn.Module | None = None, core: Core | None = None) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.rotary = rotary
        self.core = core
        self.to_qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        """``mask_BL`` is True where a token may be looked at; None: everywhere."""
        query, key, value = self.to_qkv(x_BLD).chunk(3, dim=-1)
        attended_BLD: Tensor = self.out(attend(query, key, value, self.heads, mask_BL, self.rotary, self.core))
        return attended_BLD


class CrossAttention(nn.Module):
    """Each of Q rows looks at L tokens, and at no other row: (B, Q, D) and (B, L, D') → (B, Q, D).

    Args:
        width: D.
        context_width: D'.
        heads: H, which must divide the width.
    """

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(context_width, 2 * width)
        self.out = nn.Linear(width, width)

    def match_keys_(self) -> None:
        """Starts the keys equal to the queries, so that rows first attend to tokens that resemble them."""
        with torch.no_grad():
            self.to_kv.weight[: self.to_q.out_features].copy_(self.to_q.weight)

    def forward(self, x_BQD: Tensor, context_BLD: Tensor, mask_BL: Tensor | None = None) -> Tensor:
        """``mask_BL`` is True where a token of the context may be looked at; None: everywhere."""
        key, value = self.to_kv(context_BLD).chunk(2, dim=-1)
        attended_BQD: Tensor = self.out(attend(self.to_q(x_BQD), key, value, self.heads, mask_BL))
        return attended_BQD


def attend(
    query_BQD: Tensor,
    key_BLD: Tensor,
    value_BLD: Tensor,
    heads: int,
    mask_BL: Tensor | None,
    rotary: nn.Module | None = None,
    core: Core | None = None,
) -> Tensor:
    """Attention with H heads, which share the width D; without a ``core`` by scaled dot products with all tokens."""
    query, key, value = (_split(x, heads) for x in (query_BQD, key_BLD, value_BLD))
    if rotary is not None:
        query, key = rotary(query), rotary(key)
    if core is not None:
        return core(query, key, value, mask_BL).transpose(1, 2).flatten(2)
    mask = None if mask_BL is None else mask_BL[:, None, None, :]
    return scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)


def _split(x_BLD: Tensor, heads: int) -> Tensor:
    batch, length, width = x_BLD.shape
    return x_BLD.view(batch, length, heads, width // heads).transpose(1, 2)
