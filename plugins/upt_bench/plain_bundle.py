"""The three losses as one would write them first: attention that returns its weights, block-loop points, no sharing."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from upt_bench.rivals import block_loop
from upt_core import Batch, DataSpec, Queries, Upt


class PlainBlock(nn.Module):
    """Cross-attention and MLP, both normalised before, with the sizes of upt's decoder."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_query, self.norm_context, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x_BQD: Tensor, latent_BLD: Tensor) -> Tensor:
        """x_BQD after one block."""
        context_BLD = self.norm_context(latent_BLD)
        x_BQD = x_BQD + self.attention(self.norm_query(x_BQD), context_BLD, context_BLD, need_weights=True)[0]
        mixed_BQD: Tensor = x_BQD + self.mlp(self.norm_mlp(x_BQD))
        return mixed_BQD


class PlainBundle(nn.Module):
    """``forward``, ``inverse_encoding`` and ``inverse_decoding``, each computing by itself all that it needs.

    Args:
        model: its encoder and approximator are used.
        data: of the batches.
        width: of the decoder and the latent tokens.
        depth: blocks of the decoder.
        heads: of its attention.
        count: query points of the first two losses.
    """

    def __init__(self, model: Upt, data: DataSpec, width: int, depth: int, heads: int, count: int) -> None:
        super().__init__()
        self.encoder, self.approximator, self.data, self.count = model.encoder, model.approximator, data, count
        self.frequencies = [2 * math.pi * 2.0**number for number in range(5)]
        features = data.num_axes * 2 * len(self.frequencies)
        self.embed = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(PlainBlock(width, heads) for _ in range(depth))
        self.head = nn.Linear(width, data.channels)

    def forward(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """The sum of the three losses."""
        queries, coords_BNX = self._queries(batch, rng), batch.points.coords_BNX
        moved_BLD = self.approximator(self._encoded(batch.input_BNC, batch), batch.condition_at(0))
        predicted_BQC = self._decoded(moved_BLD, queries.take(coords_BNX))
        forward = mse_loss(self.data.targets_of(predicted_BQC), queries.take(batch.target_BTNC[:, 0]))
        queries = self._queries(batch, rng)
        again_BQC = self._decoded(self._encoded(batch.input_BNC, batch), queries.take(coords_BNX))
        inverse_encoding = mse_loss(self.data.inputs_of(again_BQC), queries.take(batch.input_BNC))
        latent_BLD = self._encoded(batch.input_BNC, batch)
        decoded_BNC = self.data.inputs_of(self._decoded(latent_BLD, coords_BNX))
        inverse_decoding = mse_loss(self._encoded(decoded_BNC, batch), latent_BLD.detach())
        return forward + inverse_encoding + inverse_decoding

    def _encoded(self, input_BNC: Tensor, batch: Batch) -> Tensor:
        latent_BLD: Tensor = self.encoder(input_BNC, batch.points)
        return latent_BLD

    def _decoded(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        angle = torch.cat([coords_BQX * frequency for frequency in self.frequencies], dim=-1)
        x_BQD = self.embed(torch.cat([angle.sin(), angle.cos()], dim=-1))
        for block in self.blocks:
            x_BQD = block(x_BQD, latent_BLD)
        decoded_BQC: Tensor = self.head(x_BQD)
        return decoded_BQC

    def _queries(self, batch: Batch, rng: torch.Generator) -> Queries:
        height, width = batch.points.grid_shape or (1, batch.points.num_points)
        rows = [block_loop(height, width, self.count, rng) for _ in range(batch.points.batch_size)]
        return Queries(torch.stack(rows).to(batch.input_BNC.device))
