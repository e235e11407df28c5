"""Decoder in which query points read the tokens beside them by attention, smoothly from one cell to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import rms_norm

from upt_core import DataSpec, Decoder, LatentSpec
from upt_models.basis_decoder import basis
from upt_models.checks import check_axes, check_heads
from upt_models.initialise import SMALL_HEAD, initialise, scale_
from upt_models.lattice import lattice_of
from upt_models.mlp import MLP
from upt_models.near_tokens import near_tokens, row_major, take_tokens

WHAT = "decoder 'near'"
FUNCTIONS = 5
"""Of an offset along each axis, as in the decoder ``basis``."""


@dataclass(frozen=True, eq=False)
class Beside:
    """The S tokens beside each query point, the two nearest along each axis in all combinations.

    Args:
        index_BQS: numbers of the tokens.
        position_BQSF: functions of how far the query point is from each.
        weight_BQS: a smooth partition of unity; 0 where a token ceases to be beside the point.
    """

    index_BQS: Tensor
    position_BQSF: Tensor
    weight_BQS: Tensor

    def take(self, value_BLD: Tensor) -> Tensor:
        """Values of the tokens: (B, Q, S, D)."""
        return torch.unflatten(take_tokens(value_BLD, self.index_BQS.flatten(1)), 1, self.index_BQS.shape[1:])


class NearDecoder(Decoder):
    """Each query point reads only the tokens beside it, by cross-attention: (B, L, D) and (B, Q, X) → (B, Q, C).

    These are the two nearest tokens along each axis, S = 2^X of them. In each of ``depth`` blocks the attention to a
    token is g · exp(q · k / √d) over its sum, with the weights g of the decoder ``basis``, which vanish where a token
    ceases to be near: the output is continuous, and periodic along periodic axes. Keys depend on the offset from the
    token, and values are scaled by functions of it, so nothing depends on the place in the domain. A small network
    follows each read. Tokens are not normalised, so amplitudes are kept. A query costs S · width + width² in each
    block, for any number of tokens.

    Unlike ``basis`` it is not linear in the latent. Measured, ``basis`` is faster and more accurate at equal time on
    grids, and both are equal on scattered points (docs/models.md). Needs ``latent.tokens`` as a list.

    Args:
        width: width of the query points; None: that of the latent tokens, at least 32.
        depth: number of blocks. Good: 1 to 2.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        width: PositiveInt | None = None,
        depth: PositiveInt = 1,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 2.0,
    ) -> None:
        super().__init__()
        self.lattice, self.periodic = lattice_of(WHAT, data, latent), data.periodic
        width = max(latent.dim, 32) if width is None else width
        check_heads(width, heads)
        positions = FUNCTIONS * data.num_axes
        self.embed_latent = nn.Linear(latent.dim, width)
        self.embed_position = nn.Linear(positions, width)
        self.blocks = nn.ModuleList(NearBlock(width, positions, heads, mlp_ratio, depth) for _ in range(depth))
        self.head = nn.Linear(width, data.channels)
        for layer in (self.embed_latent, self.embed_position, self.head):
            initialise(layer)
        scale_([self.head], SMALL_HEAD)

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC, all channels of ``DataSpec.fields``, normalised.

        Raises:
            ValueError: the query points have another number of axes than the data set.
        """
        check_axes(WHAT, len(self.lattice), coords_BQX.shape[-1])
        beside, tokens_BLD = self._beside(coords_BQX), self.embed_latent(latent_BLD)
        first_BQSD = beside.take(tokens_BLD) + self.embed_position(beside.position_BQSF)
        x_BQD = (first_BQSD * beside.weight_BQS.unsqueeze(-1)).sum(dim=2)
        for block in self.blocks:
            x_BQD = block(x_BQD, tokens_BLD, beside)
        decoded_BQC: Tensor = self.head(x_BQD)
        return decoded_BQC

    def _beside(self, coords_BQX: Tensor) -> Beside:
        near = [near_tokens(coords_BQX[..., axis], n, self.periodic[axis]) for axis, n in enumerate(self.lattice)]
        index, position, weight = [], [], []
        functions = [basis(own.offset_BQS, FUNCTIONS) for own in near]
        for sides in product((0, 1), repeat=len(near)):
            chosen = list(zip(near, sides, strict=True))
            index.append(row_major([own.index_BQS[..., side] for own, side in chosen], self.lattice))
            position.append(
                torch.cat([of_axis[:, :, side] for of_axis, side in zip(functions, sides, strict=True)], dim=-1)
            )
            weight.append(torch.stack([own.weight_BQS[..., side] for own, side in chosen]).prod(dim=0))
        return Beside(torch.stack(index, dim=2), torch.stack(position, dim=2), torch.stack(weight, dim=2))


class NearBlock(nn.Module):
    """Attention to the tokens beside each query point and an MLP, each as a residual branch: (B, Q, D) → (B, Q, D).

    Args:
        width: D.
        positions: functions of the offsets from a token.
        heads: H, which must divide the width.
        mlp_ratio: hidden size of the MLP in widths.
        depth: number of blocks in the stack; branches start smaller in deeper stacks.
    """

    def __init__(self, width: int, positions: int, heads: int, mlp_ratio: float, depth: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(width, 2 * width)
        self.of_position = nn.Linear(positions, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = MLP(width, round(mlp_ratio * width))
        initialise(self)
        scale_((self.out, self.mlp.out), (2 * depth) ** -0.5)

    def forward(self, x_BQD: Tensor, tokens_BLD: Tensor, beside: Beside) -> Tensor:
        """The query points after the block."""
        key, value = beside.take(self.to_kv(tokens_BLD)).chunk(2, dim=-1)
        place_key, place_value = self.of_position(beside.position_BQSF).chunk(2, dim=-1)
        query_BQ1Hd, key_BQSHd, value_BQSHd = (
            part.unflatten(-1, (self.heads, -1))
            for part in (self.to_q(self.norm(x_BQD)).unsqueeze(2), key + place_key, value * (1 + place_value))
        )
        attended_BQD = _attend(query_BQ1Hd, key_BQSHd, value_BQSHd, beside.weight_BQS).flatten(-2)
        x_BQD = x_BQD + self.out(attended_BQD)
        mixed_BQD: Tensor = x_BQD + self.mlp(self.norm_mlp(x_BQD))
        return mixed_BQD


def _attend(query_BQ1Hd: Tensor, key_BQSHd: Tensor, value_BQSHd: Tensor, weight_BQS: Tensor) -> Tensor:
    """Softmax over S with weights: (B, Q, H, d). Queries and keys have size √d, so no token is lost to rounding."""
    width = query_BQ1Hd.shape[-1]
    query, key = rms_norm(query_BQ1Hd, (width,)), rms_norm(key_BQSHd, (width,))
    share_BQSH = ((query * key).sum(dim=-1) / math.sqrt(width)).exp() * weight_BQS.unsqueeze(-1)
    share_BQSH = share_BQSH / share_BQSH.sum(dim=2, keepdim=True)
    return (share_BQSH.unsqueeze(-1) * value_BQSHd).sum(dim=2)
