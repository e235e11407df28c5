"""Encoder for regular grids: patches, transformer blocks, perceiver pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from upt_core import DataSpec, Encoder, LatentSpec, Points
from upt_models.anchors import anchor_positions
from upt_models.blocks import SelfBlock
from upt_models.checks import check_channels
from upt_models.fourier import FourierFeatures
from upt_models.initialise import initialise
from upt_models.linear_attention import linear_attention
from upt_models.patches import check_patch, to_patches
from upt_models.pooling import PerceiverPooling


class GridEncoder(Encoder):
    """Cuts fields on a grid of 1, 2 or 3 axes into patches and pools them to latent tokens.

    Each patch is embedded with the Fourier features of its centre, the patches exchange information in transformer
    blocks, and learned queries pool them to L tokens: (B, N, C) → (B, L, D). It also takes grids of other shapes than
    that of the data set, if the patch divides them; a patch then covers a part of the domain of another size than in
    training.

    Args:
        patch: points of a patch along each axis, one number for all axes or one for each; small patches are more
            accurate, and the cost of ``full`` attention grows with the square of the number of patches. Good: 2 to 4
            for 16×16, 4 to 8 for 64×64.
        width: width of the blocks; None: that of the latent tokens.
        depth: number of transformer blocks before pooling. Good: 2 to 4.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
        attention: how patches attend to each other. ``full``: each to all, at a cost that grows with the square of
            their number; ``linear``: to all through one sum over them, at a cost in proportion to their number.
        frequencies: whole frequencies of the Fourier features of the patch centres.
    """

    needs_grid: ClassVar[bool] = True
    pools: ClassVar[bool] = True

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        patch: PositiveInt | list[PositiveInt] = 4,
        width: PositiveInt | None = None,
        depth: NonNegativeInt = 2,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 4.0,
        frequencies: list[PositiveInt] = [1, 2, 4, 8, 16],  # noqa: B006 (a schema needs a plain default; it is only read)
        attention: Literal["full", "linear"] = "full",
    ) -> None:
        super().__init__()
        if data.grid_shape is None:
            raise ValueError(
                "the encoder 'grid' needs fields on a regular grid, but this data set has scattered points (a grid "
                "that is uneven or has holes counts as such); use the encoder 'supernode'"
            )
        self.patch = tuple(patch) if isinstance(patch, list | tuple) else (patch,) * data.num_axes
        self.input_channels = data.input_channels
        width = latent.dim if width is None else width
        check_patch(data.grid_shape, self.patch)
        self.features = FourierFeatures(data.periodic, frequencies)
        self.embed_patch = nn.Linear(data.input_channels * math.prod(self.patch), width)
        self.embed_position = nn.Linear(self.features.num_features, width)
        initialise(self)
        core = linear_attention if attention == "linear" else None
        self.blocks = nn.ModuleList(SelfBlock(width, heads, mlp_ratio, depth=depth, core=core) for _ in range(depth))
        start_LD = self.embed_position(self.features(anchor_positions(latent.tokens, data.num_axes)))
        self.pool = PerceiverPooling(start_LD, latent, heads, mlp_ratio)

    def check_grid(self, shape: Sequence[int]) -> None:
        """Takes every grid that the patch tiles."""
        check_patch(shape, self.patch)

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD of the input fields.

        Raises:
            ValueError: the points are no grid, or the patch does not tile it, or the channels are others.
        """
        if points.grid_shape is None:
            raise ValueError(
                "the encoder 'grid' was given scattered points; it needs the whole grid; remove the sampler of its "
                "input, "
                "or use the encoder 'supernode'"
            )
        check_patch(points.grid_shape, self.patch)
        check_channels("encoder 'grid'", self.input_channels, input_BNC.shape[-1])
        patches_BMF = to_patches(input_BNC, points.grid_shape, self.patch).flatten(2)
        tokens_BMD = self.embed_patch(patches_BMF) + self.embed_position(self.features(self._centres(points)))
        for block in self.blocks:
            tokens_BMD = block(tokens_BMD)
        latent_BLD: Tensor = self.pool(tokens_BMD)
        return latent_BLD

    def _centres(self, points: Points) -> Tensor:
        """Mean coordinates of each patch (B, M, X), or (1, M, X) where all rows share their points."""
        assert points.grid_shape is not None
        coords_BNX = points.coords_BNX[:1] if points.shared else points.coords_BNX
        return to_patches(coords_BNX, points.grid_shape, self.patch).mean(dim=2)
