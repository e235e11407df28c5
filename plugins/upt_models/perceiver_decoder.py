"""Any-point decoder: query points look at the latent tokens by cross-attention."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from upt_core import DataSpec, Decoder, LatentSpec
from upt_models.anchors import starting_positions
from upt_models.blocks import CrossBlock
from upt_models.fourier import FourierFeatures, once_if_shared
from upt_models.initialise import SMALL_HEAD, initialise, scale_
from upt_models.mlp import MLP


class PerceiverDecoder(Decoder):
    """Decodes at any number of query points, each independently: (B, L, D) and (B, Q, X) → (B, Q, C).

    Each point's Fourier features are embedded, ``depth`` cross-attention blocks read the latent tokens, and a linear
    head gives all channels. Each latent token carries a learned position, which starts at its anchor. Keys and values
    are computed once per block on the L tokens, so the main cost is in the MLPs on the query points: it grows with Q ·
    width². On periodic axes the output is exactly periodic.

    Args:
        width: width of the query points; None: that of the latent tokens.
        depth: number of cross-attention blocks. Good: 2 to 4.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
        frequencies: whole frequencies of the Fourier features of the query points; the highest limits the structures
            that are learnt fast. Good: powers of two up to a quarter of the points along an axis.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        width: PositiveInt | None = None,
        depth: PositiveInt = 2,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 2.0,
        frequencies: list[PositiveInt] = [1, 2, 4, 8, 16],  # noqa: B006 (a schema needs a plain default; it is only read)
    ) -> None:
        super().__init__()
        width = latent.dim if width is None else width
        self.features = FourierFeatures(data.periodic, frequencies)
        self.embed = MLP(self.features.num_features, width, width)
        self.embed_latent = nn.Linear(latent.dim, width) if width != latent.dim else nn.Identity()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, data.channels)
        initialise(self)
        scale_([self.head], SMALL_HEAD)
        self.token_positions_LD = nn.Parameter(starting_positions(self._embedded, latent.tokens, data.num_axes))
        blocks = [CrossBlock(width, width, heads, mlp_ratio, depth) for _ in range(depth)]
        for block in blocks:
            block.attention.match_keys_()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC, all channels of ``DataSpec.fields``, normalised.

        Raises:
            ValueError: the query points have another number of axes than the data set.
        """
        x_BQD = self._embedded(once_if_shared(coords_BQX)).expand(latent_BLD.shape[0], -1, -1)
        tokens_BLD = self._tokens(latent_BLD)
        for block in self.blocks:
            x_BQD = block(x_BQD, tokens_BLD)
        decoded_BQC: Tensor = self.head(self.norm(x_BQD))
        return decoded_BQC

    def _tokens(self, latent_BLD: Tensor) -> Tensor:
        tokens_BLD: Tensor = self.embed_latent(latent_BLD) + self.token_positions_LD
        return tokens_BLD

    def _embedded(self, coords_BQX: Tensor) -> Tensor:
        embedded_BQD: Tensor = self.embed(self.features(coords_BQX))
        return embedded_BQD
