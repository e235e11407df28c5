"""Rotary positions of tokens on a lattice: attention then depends on how far tokens lie apart, not on where they are.

Source: J. Su et al., RoFormer (arXiv 2104.09864), with whole waves on periodic axes, so that distances wrap around.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Rotary(nn.Module):
    """Turns pairs of a query's or key's entries by angles that grow with the token's place: (B, H, L, d) → the same.

    Each axis has an equal share of the pairs. The angles along an axis are those of whole waves on a periodic axis, of
    half waves on an open one, from 1 to half of the tokens there, evenly on a logarithmic scale. Entries that are left
    over are not turned.

    Args:
        lattice: tokens along each axis; their product is L.
        periodic: for each axis, whether it wraps around.
        head_width: d.

    Raises:
        ValueError: a head has no pair of entries for each axis.
    """

    def __init__(self, lattice: Sequence[int], periodic: Sequence[bool], head_width: int) -> None:
        super().__init__()
        pairs = head_width // (2 * len(lattice))
        if pairs == 0:
            raise ValueError(
                f"attention heads of width {head_width} cannot hold positions along {len(lattice)} axes; use fewer "
                f"heads or a larger width, at least {2 * len(lattice)} for each head"
            )
        parts = []
        for axis, (tokens, wraps) in enumerate(zip(lattice, periodic, strict=True)):
            angle_TP = _angles(tokens, wraps, pairs)
            shape = [1] * len(lattice)
            shape[axis] = tokens
            parts.append(angle_TP.view(*shape, pairs).expand(*lattice, pairs))
        angle_LF = torch.cat(parts, dim=-1).flatten(0, -2)
        self.cos_LF: Tensor
        self.sin_LF: Tensor
        self.register_buffer("cos_LF", angle_LF.cos().float(), persistent=False)
        self.register_buffer("sin_LF", angle_LF.sin().float(), persistent=False)

    def forward(self, value_BHLd: Tensor) -> Tensor:
        """The turned queries or keys."""
        turned = self.cos_LF.shape[1]
        cos_LF, sin_LF = self.cos_LF.to(value_BHLd.dtype), self.sin_LF.to(value_BHLd.dtype)
        first, second, rest = value_BHLd.tensor_split((turned, 2 * turned), dim=-1)
        return torch.cat([first * cos_LF - second * sin_LF, first * sin_LF + second * cos_LF, rest], dim=-1)


def _angles(tokens: int, wraps: bool, pairs: int) -> Tensor:
    """(tokens, pairs), float64."""
    finest = max(1, tokens // 2)
    waves_P = torch.logspace(0, math.log10(finest), pairs, dtype=torch.float64).round()
    place_T = (torch.arange(tokens, dtype=torch.float64) + 0.5) / tokens
    return (2 if wraps else 1) * math.pi * place_T[:, None] * waves_P
