"""Any-point decoder with anchors: fixed points look at each other, and query points look at them."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from upt_core import DataSpec, LatentSpec
from upt_models.anchors import anchor_positions
from upt_models.fourier import once_if_shared
from upt_models.perceiver_decoder import PerceiverDecoder


class AnchoredDecoder(PerceiverDecoder):
    """Query points read anchors that have read the latent and each other: (B, L, D) and (B, Q, X) → (B, Q, C).

    A anchors, evenly spread over the box, and the query points read the latent tokens by cross-attention, as in the
    decoder ``perceiver``. In each of ``depth`` blocks all of them then read the anchors, with the same weights: a query
    point at an anchor has the anchor's answer. Query points do not see each other, so the cost grows with Q · A, and
    the answer at a point does not depend on the others. On periodic axes the output is exactly periodic.

    Measured, it is behind ``perceiver`` at equal time, and both are far behind ``basis`` for tokens on a lattice
    (docs/models.md).

    Source: B. Alkin et al., AB-UPT (arXiv 2502.09692), anchor attention; there anchors are points of the data.

    Args:
        anchors: A. Good: 64 to 1024.
        width: width of anchors and query points; None: that of the latent tokens.
        depth: number of blocks that read the anchors. Good: 2 to 4.
        heads: attention heads; they must divide the width.
        mlp_ratio: hidden size of the MLPs, as a multiple of the width.
        frequencies: whole frequencies of the Fourier features of the points; the highest limits the structures that are
            learnt fast. Good: powers of two up to a quarter of the points along an axis.
    """

    def __init__(
        self,
        data: DataSpec,
        latent: LatentSpec,
        *,
        anchors: PositiveInt = 256,
        width: PositiveInt | None = None,
        depth: PositiveInt = 2,
        heads: PositiveInt = 4,
        mlp_ratio: PositiveFloat = 2.0,
        frequencies: list[PositiveInt] = [1, 2, 4, 8, 16],  # noqa: B006 (a schema needs a plain default; it is only read)
    ) -> None:
        super().__init__(
            data, latent, width=width, depth=depth + 1, heads=heads, mlp_ratio=mlp_ratio, frequencies=frequencies
        )
        self.anchor_coords_AX: Tensor
        self.register_buffer("anchor_coords_AX", anchor_positions(anchors, data.num_axes), persistent=False)

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC, all channels of ``DataSpec.fields``, normalised.

        Raises:
            ValueError: the query points have another number of axes than the data set.
        """
        anchors, rows = self.anchor_coords_AX.shape[0], latent_BLD.shape[0]
        points = [self._embedded(coords) for coords in (self.anchor_coords_AX, once_if_shared(coords_BQX))]
        x_BPD = torch.cat([part.expand(rows, -1, -1) for part in points], dim=1)
        context_BLD = self._tokens(latent_BLD)
        for block in self.blocks:
            x_BPD = block(x_BPD, context_BLD)
            context_BLD = x_BPD[:, :anchors]
        decoded_BQC: Tensor = self.head(self.norm(x_BPD[:, anchors:]))
        return decoded_BQC
