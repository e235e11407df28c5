"""Encoder for any set of points: messages from neighbours to supernodes, transformer blocks, perceiver pooling."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import gelu

from upt_core import DataSpec, Encoder, LatentSpec, Need, Points, Queries
from upt_models.anchors import anchor_positions
from upt_models.blocks import SelfBlock
from upt_models.checks import check_axes, check_channels, check_not_negative, check_positive
from upt_models.fourier import FourierFeatures
from upt_models.hearing import hearings
from upt_models.initialise import initialise
from upt_models.linear_attention import linear_attention
from upt_models.neighbours import OVERLAP, Supernodes, default_radius, shortest
from upt_models.pooling import PerceiverPooling


class SupernodeEncoder(Encoder):
    """Encodes fields at scattered points or on a grid: (B, N, C) → (B, L, D).

    S of the points are supernodes, chosen evenly along the locality order of the points. Each point sends a message to
    the nearest supernodes, and each supernode takes the mean of the messages that it receives. The supernodes exchange
    information in transformer blocks, and learned queries pool them to L tokens. The latent tokens do not depend on the
    order of the points, nor on padding. Source: B. Alkin et al., Universal Physics Transformers (arXiv 2402.12365),
    section 3. The paper uses a radius instead of nearest supernodes, so that many supernodes use points in dense
    regions and none may use points in sparse ones.

    In training a supernode uses a new sample of its points at each step, spread evenly through them. The mean over the
    sample is an unbiased estimate of the mean over all, and a step costs the same at any N. In evaluation it uses all
    its points. The sample uses torch's random state, as dropout does.

    Args:
        supernodes: S, the number of points that collect messages; a sample with fewer points uses all of them. Good: a
            quarter to an eighth of the points; with ``full`` attention the cost grows with the square of S.
        overlap: number of supernodes to which a point sends its message; None: 2, 4 or 6 in 1, 2 or 3 dimensions.
        radius: largest distance of a message, in coordinates scaled to the unit box; None: no limit. Points that are
            further from all supernodes are not used; ``upt check`` says how many.
        max_neighbours: largest number of points that a supernode uses in one training step; None: all, as in
            evaluation. Good: 32; more points lower the noise of the mean, and cost time and memory in proportion.
        width: width of the blocks; None: that of the latent tokens.
        depth: number of transformer blocks before pooling. Good: 2 to 4.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
        attention: how supernodes attend to each other. ``full``: each to all, at a cost that grows with the square of
            S; ``linear``: to all through one sum over them, at a cost in proportion to S.
        frequencies: whole frequencies of the Fourier features of the supernodes' positions.
    """

    pools: ClassVar[bool] = True

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        supernodes: PositiveInt = 128,
        overlap: PositiveInt | None = None,
        radius: PositiveFloat | None = None,
        max_neighbours: PositiveInt | None = 32,
        width: PositiveInt | None = None,
        depth: NonNegativeInt = 2,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 4.0,
        frequencies: list[PositiveInt] = [1, 2, 4, 8, 16],  # noqa: B006 (a schema needs a plain default; it is only read)
        attention: Literal["full", "linear"] = "full",
    ) -> None:
        super().__init__()
        check_positive(supernodes=supernodes, mlp_ratio=mlp_ratio)
        given = {"overlap": overlap, "radius": radius, "max_neighbours": max_neighbours}
        check_positive(**{name: value for name, value in given.items() if value is not None})
        check_not_negative(depth=depth)
        width = latent.dim if width is None else width
        self.num_axes, self.input_channels = data.num_axes, data.input_channels
        self.periodic, self.max_neighbours = data.periodic, max_neighbours
        self.scale = default_radius(supernodes, data.num_axes) if radius is None else radius
        self.supernodes = Supernodes(supernodes, overlap or OVERLAP[data.num_axes], radius, data.periodic)
        self.features = FourierFeatures(data.periodic, frequencies)
        self.message_in = nn.Linear(data.input_channels + data.num_axes + 1, width)
        self.message_out = nn.Linear(width, width)
        self.embed_position = nn.Linear(self.features.num_features, width)
        initialise(self)
        core = linear_attention if attention == "linear" else None
        self.blocks = nn.ModuleList(SelfBlock(width, heads, mlp_ratio, depth=depth, core=core) for _ in range(depth))
        start_LD = self.embed_position(self.features(anchor_positions(latent.tokens, data.num_axes)))
        self.pool = PerceiverPooling(start_LD, latent, heads, mlp_ratio)

    @property
    def needs(self) -> tuple[Need, ...]:
        """The supernodes and what each hears."""
        return (self.supernodes,)

    def remark(self, points: Points) -> str:
        """How many supernodes there are, and which share of the points they hear."""
        points = points.row(0)
        _, real_BS, point_BM, _, count_BS = points.get(self.supernodes)
        heard = len(torch.unique(point_BM[0, : int(count_BS[0].sum())])) / points.num_points
        mean = count_BS[0].float().mean().item()
        steps = "all of them" if self.max_neighbours is None else f"at most {self.max_neighbours}, drawn at random"
        return (
            f"{int(real_BS[0].sum())} supernodes use {100 * heard:.3g} % of the points: {int(count_BS[0].min())} to "
            f"{int(count_BS[0].max())} each, {mean:.0f} on average; in a training step {steps}"
        )

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD of the input fields.

        Raises:
            ValueError: the points have other axes, or the fields other channels, than the encoder was built for.
        """
        check_axes("encoder 'supernode'", self.num_axes, points.num_axes)
        check_channels("encoder 'supernode'", self.input_channels, input_BNC.shape[-1])
        supernode_BS, real_BS = points.get(self.supernodes)[:2]
        coords_BSX = Queries(supernode_BS).take(points.coords_BNX.float())
        if torch.compiler.is_exporting():
            mean_BSD = self._messages_at_once(input_BNC, points, coords_BSX)
        else:
            parts = hearings(points, self.supernodes, self.max_neighbours if self.training else None)
            mean_BSD = torch.cat([self._messages(input_BNC, points, coords_BSX, *part) for part in parts], dim=1)
        tokens_BSD = self.message_out(mean_BSD) + self.embed_position(self.features(coords_BSX))
        mask_BS = None if points.lengths is None else real_BS
        for block in self.blocks:
            tokens_BSD = block(tokens_BSD, mask_BL=mask_BS)
        latent_BLD: Tensor = self.pool(tokens_BSD, mask_BS)
        return latent_BLD

    def _messages(
        self, input_BNC: Tensor, points: Points, coords_BSX: Tensor, part: slice, index_BSK: Tensor, heard_BSK: Tensor
    ) -> Tensor:
        """The mean message that each supernode of a part hears: (B, S, D).

        The messages' second layer is linear, so it is applied once to their mean.
        """
        rows, shape = len(index_BSK), index_BSK.shape[1:]
        coords_BSKX = Queries(index_BSK.flatten(1)).take(points.coords_BNX[:rows].float()).view(rows, *shape, -1)
        offset_BSKX = shortest(coords_BSKX - coords_BSX[:rows, part].unsqueeze(2), self.periodic)
        distance_BSK1 = torch.linalg.vector_norm(offset_BSKX, dim=-1, keepdim=True)
        place_BSKX = torch.cat([offset_BSKX, distance_BSK1], dim=-1) / self.scale
        batch = len(input_BNC)
        value_BSKC = Queries(index_BSK.flatten(1).expand(batch, -1)).take(input_BNC).view(batch, *shape, -1)
        message_BSKC = torch.cat([value_BSKC.float(), place_BSKX.expand(batch, -1, -1, -1)], dim=-1)
        message_BSKD = gelu(self.message_in(message_BSKC))
        heard_BSK1 = heard_BSK.unsqueeze(-1).to(message_BSKD.dtype)
        mean_BSD: Tensor = (message_BSKD * heard_BSK1).sum(2) / heard_BSK1.sum(2).clamp_min(1)
        return mean_BSD

    def _messages_at_once(self, input_BNC: Tensor, points: Points, coords_BSX: Tensor) -> Tensor:
        """As ``_messages`` of all that supernodes hear, for a program that is traced: no size follows from values.

        All rows share their points. Each entry of the lists is a message, which is added to its listener's sum.
        """
        _, _, point_BM, _, count_BS = points.get(self.supernodes)
        batch, speaker_M, count_S = input_BNC.shape[0], point_BM[0].long(), count_BS[0]
        listener_M = torch.bucketize(torch.arange(speaker_M.shape[0]), count_S.cumsum(0), right=True)
        inside_M = listener_M.clamp_max(len(count_S) - 1)  # what is heard by no one comes last, and is left out
        offset_MX = shortest(points.coords_BNX[0, speaker_M] - coords_BSX[0, inside_M], self.periodic)
        distance_M1 = torch.linalg.vector_norm(offset_MX, dim=-1, keepdim=True)
        place_MX = torch.cat([offset_MX, distance_M1], dim=-1) / self.scale
        message_BMC = torch.cat([input_BNC[:, speaker_M].float(), place_MX.expand(batch, -1, -1)], dim=-1)
        message_BMD = gelu(self.message_in(message_BMC)) * (listener_M < len(count_S)).unsqueeze(-1)
        sum_BSD = message_BMD.new_zeros(batch, len(count_S), message_BMD.shape[-1])
        mean_BSD: Tensor = sum_BSD.index_add(1, inside_M, message_BMD) / count_S.clamp_min(1).unsqueeze(-1)
        return mean_BSD
