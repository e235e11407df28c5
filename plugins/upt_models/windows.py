"""Windowed attention: tokens on a lattice look at those of their own window alone, so that the cost is linear.

Source: Z. Liu et al., Swin Transformer (arXiv 2103.14030), for windows that are shifted in every second block; here
windows wrap around periodic axes, and need not divide the lattice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention


@dataclass(frozen=True)
class Cut:
    """How one axis is cut into windows.

    Args:
        tokens: along the axis.
        size: tokens of a window, at most those of the axis.
        shift: place of the token at which a window begins.
        wraps: whether the axis wraps around, so that a window may hold tokens of both ends.
    """

    tokens: int
    size: int
    shift: int
    wraps: bool

    @property
    def before(self) -> int:
        """Empty slots before the first token."""
        return 0 if self.wraps else -self.shift % self.size

    @property
    def after(self) -> int:
        """Empty slots after the last token."""
        return -(self.before + self.tokens) % self.size

    @property
    def number(self) -> int:
        """Of windows."""
        return (self.before + self.tokens + self.after) // self.size


class WindowedAttention(nn.Module):
    """Scaled dot-product attention within the windows of a lattice: (B, H, L, d) → (B, H, L, d).

    Each token is in one window. If the size does not divide an axis, one window there is smaller (two if it is open and
    windows are shifted). On periodic axes a window may lie across the ends; on open ones it ends there. Slots without a
    token are never looked at, so the answer is exact. The cost is L · K for windows of K tokens.

    Args:
        lattice: tokens along each axis; their product is L.
        periodic: for each axis, whether it wraps around.
        window: tokens of a window along each axis; the whole axis where it has fewer.
        shifted: whether windows begin half a window further on, so that those of two blocks overlap.
    """

    def __init__(
        self, lattice: Sequence[int], periodic: Sequence[bool], window: Sequence[int], shifted: bool = False
    ) -> None:
        super().__init__()
        sizes = [min(size, tokens) for size, tokens in zip(window, lattice, strict=True)]
        self.cuts = [
            Cut(tokens, size, size // 2 if shifted and size < tokens else 0, wraps)
            for tokens, size, wraps in zip(lattice, sizes, periodic, strict=True)
        ]
        rolled = [(axis, cut.shift) for axis, cut in enumerate(self.cuts, start=1) if cut.wraps and cut.shift]
        self.rolled_axes, self.shifts = [axis for axis, _ in rolled], [shift for _, shift in rolled]
        full_1WK = self.cut(torch.ones(1, math.prod(lattice), 1)).squeeze(-1) > 0
        self.full_1W1K: Tensor | None
        self.register_buffer("full_1W1K", None if full_1WK.all() else full_1WK.unsqueeze(2), persistent=False)

    def forward(self, query_BHLd: Tensor, key_BHLd: Tensor, value_BHLd: Tensor, mask_BL: Tensor | None) -> Tensor:
        """``mask_BL`` is True where a token may be looked at; None: everywhere."""
        query, key, value = (self.cut(x_BHLd.flatten(0, 1)) for x_BHLd in (query_BHLd, key_BHLd, value_BHLd))
        mask = self.full_1W1K if mask_BL is None else self._seen(mask_BL, query_BHLd.shape[1])
        return self.join(scaled_dot_product_attention(query, key, value, attn_mask=mask)).view_as(query_BHLd)

    def cut(self, x_RLC: Tensor) -> Tensor:
        """(R, L, C) → (R, W, K, C): rows of tokens as rows of windows, with zeros in the slots without a token."""
        rows, _, width = x_RLC.shape
        x_RVC = x_RLC.reshape(rows, *(cut.tokens for cut in self.cuts), width)
        if self.shifts:
            x_RVC = x_RVC.roll([-shift for shift in self.shifts], self.rolled_axes)
        if any(cut.before or cut.after for cut in self.cuts):
            x_RVC = pad(x_RVC, [0, 0, *(empty for cut in reversed(self.cuts) for empty in (cut.before, cut.after))])
        x = x_RVC.reshape(rows, *(part for cut in self.cuts for part in (cut.number, cut.size)), width)
        axes = range(1, x.dim() - 1)
        return x.permute(0, *axes[::2], *axes[1::2], x.dim() - 1).flatten(1, len(self.cuts)).flatten(2, -2)

    def join(self, x_RWKC: Tensor) -> Tensor:
        """(R, W, K, C) → (R, L, C): the inverse of ``cut``."""
        rows, width, axes = x_RWKC.shape[0], x_RWKC.shape[-1], len(self.cuts)
        x = x_RWKC.reshape(rows, *(cut.number for cut in self.cuts), *(cut.size for cut in self.cuts), width)
        x = x.permute(0, *(part for axis in range(1, axes + 1) for part in (axis, axis + axes)), x.dim() - 1)
        x_RVC = x.reshape(rows, *(cut.number * cut.size for cut in self.cuts), width)
        for axis, cut in enumerate(self.cuts, start=1):
            x_RVC = x_RVC.narrow(axis, cut.before, cut.tokens)
        if self.shifts:
            x_RVC = x_RVC.roll(self.shifts, self.rolled_axes)
        return x_RVC.flatten(1, -2)

    def _seen(self, mask_BL: Tensor, heads: int) -> Tensor:
        """Which slots may be looked at, (B · H, W, 1, K); in a window without any, all: nobody asks for its answer."""
        mask_BW1K = self.cut(mask_BL.unsqueeze(-1).float()).squeeze(-1).unsqueeze(2) > 0
        mask_BW1K = mask_BW1K | ~mask_BW1K.any(dim=-1, keepdim=True)
        return mask_BW1K.repeat_interleave(heads, dim=0)
