"""Encoder for any set of points: messages from neighbours to supernodes, transformer blocks, perceiver pooling."""

from __future__ import annotations

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import gelu

from upt_core import DataSpec, Encoder, LatentSpec, Points, Queries
from upt_models.anchors import anchor_positions
from upt_models.blocks import SelfBlock
from upt_models.checks import check_axes, check_channels, check_not_negative, check_positive
from upt_models.fourier import FourierFeatures
from upt_models.initialise import initialise
from upt_models.neighbours import Neighbourhoods, default_radius, find_neighbourhoods
from upt_models.pooling import PerceiverPooling


class SupernodeEncoder(Encoder):
    """Encodes fields at scattered points or on a grid: (B, N, C) → (B, L, D).

    S of the points are supernodes, chosen evenly along the locality order of the points. Each supernode takes the mean
    of messages from the points within a radius (at most ``max_neighbours``, the nearest first; itself always). The
    supernodes exchange what they know in transformer blocks, and learned queries pool them to L tokens. The latent
    tokens do not depend on the order of the points, nor on padding. Source: B. Alkin et al., Universal Physics
    Transformers (arXiv 2402.12365), section 3.

    Args:
        supernodes: S, how many points collect messages; a sample with fewer points uses all of them. Good: a quarter
            to an eighth of the points; cost grows with its square.
        radius: how far a supernode hears, in coordinates scaled to the unit box; None: such that a point is heard by
            2.3, 4 or 6 supernodes on average in 1, 2 or 3 dimensions, if the points fill the box; a neighbourhood
            then has about that many times N / S points.
        max_neighbours: most points that a supernode hears; the nearest count. More than the neighbourhood has costs
            memory only; fewer leaves points unheard.
        width: width of the blocks; None: that of the latent tokens.
        depth: number of transformer blocks before pooling. Good: 2 to 4.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs in widths.
        frequencies: whole frequencies of the Fourier features of the supernodes' positions.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        supernodes: PositiveInt = 128,
        radius: PositiveFloat | None = None,
        max_neighbours: PositiveInt = 32,
        width: PositiveInt | None = None,
        depth: NonNegativeInt = 2,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 4.0,
        frequencies: list[PositiveInt] = [1, 2, 4, 8, 16],  # noqa: B006 (a schema needs a plain default; it is only read)
    ) -> None:
        super().__init__()
        check_positive(supernodes=supernodes, max_neighbours=max_neighbours, mlp_ratio=mlp_ratio)
        check_positive(radius=1.0 if radius is None else radius)
        check_not_negative(depth=depth)
        width = latent.dim if width is None else width
        self.num_axes, self.input_channels = data.num_axes, data.input_channels
        self.periodic, self.supernodes, self.max_neighbours = data.periodic, supernodes, max_neighbours
        self.radius = default_radius(supernodes, data.num_axes) if radius is None else radius
        self.features = FourierFeatures(data.periodic, frequencies)
        self.message_in = nn.Linear(data.input_channels + data.num_axes + 1, width)
        self.message_out = nn.Linear(width, width)
        self.embed_position = nn.Linear(self.features.num_features, width)
        initialise(self)
        self.blocks = nn.ModuleList(SelfBlock(width, heads, mlp_ratio, depth=depth) for _ in range(depth))
        start_LD = self.embed_position(self.features(anchor_positions(latent.tokens, data.num_axes)))
        self.pool = PerceiverPooling(start_LD, latent, heads, mlp_ratio)

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD of the input fields.

        Raises:
            ValueError: the points have other axes, or the fields other channels, than the encoder was built for.
        """
        check_axes("encoder 'supernode'", self.num_axes, points.num_axes)
        check_channels("encoder 'supernode'", self.input_channels, input_BNC.shape[-1])
        near = find_neighbourhoods(points, self.periodic, self.supernodes, self.radius, self.max_neighbours)
        tokens_BSD = self._messages(input_BNC, near) + self.embed_position(self.features(near.coords_BSX))
        for block in self.blocks:
            tokens_BSD = block(tokens_BSD, mask_BL=near.real_BS)
        latent_BLD: Tensor = self.pool(tokens_BSD, near.real_BS)
        return latent_BLD

    def _messages(self, input_BNC: Tensor, near: Neighbourhoods) -> Tensor:
        """The mean message that each supernode hears: (B, S, D).

        The messages' second layer is linear, so it is applied once to their mean.
        """
        batch, (supernodes, neighbours) = input_BNC.shape[0], near.index_BSK.shape[1:]
        index_BQ = near.index_BSK.flatten(1).expand(batch, -1)
        value_BSKC = Queries(index_BQ).take(input_BNC).view(batch, supernodes, neighbours, -1)
        place_BSKX = torch.cat([near.offset_BSKX, near.distance_BSK.unsqueeze(-1)], dim=-1) / self.radius
        message_BSKC = torch.cat([value_BSKC.float(), place_BSKX.expand(batch, -1, -1, -1)], dim=-1)
        message_BSKD = gelu(self.message_in(message_BSKC))
        heard_BSK1 = near.heard_BSK.unsqueeze(-1).to(message_BSKD.dtype)
        mean_BSD = (message_BSKD * heard_BSK1).sum(2) / heard_BSK1.sum(2).clamp_min(1)
        message_BSD: Tensor = self.message_out(mean_BSD)
        return message_BSD
