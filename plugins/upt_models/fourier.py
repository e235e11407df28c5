"""Fourier features: coordinates → values that make fine structure easy to learn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from upt_models.checks import check_axes, check_frequencies


def once_if_shared(coords_BQX: Tensor) -> Tensor:
    """One row (1, Q, X) where all rows are the same memory; else the points as they are."""
    shared = coords_BQX.shape[0] > 1 and coords_BQX.stride(0) == 0
    return coords_BQX[:1] if shared else coords_BQX


class FourierFeatures(nn.Module):
    """Sines and cosines of coordinates in [0, 1]: (…, X) → (…, F), always in float32.

    On an open axis: the coordinate itself and the sines and cosines of ``π · frequency · x`` (half periods, so that a
    function need not be equal at both ends). On a periodic axis: those of ``2π · frequency · x`` only, of the
    coordinate without its whole part, so that whatever is built on the features is exactly periodic. Frequencies
    1, 2, 4 on two open axes give 2 + 2·3·2 = 14 features.

    Args:
        periodic: for each axis, whether it wraps around.
        frequencies: whole numbers from 1 on.
    """

    cycles_XF: Tensor
    wrap_X: Tensor

    def __init__(self, periodic: Sequence[bool], frequencies: Sequence[int]) -> None:
        super().__init__()
        check_frequencies(frequencies)
        half_periods = [[(2 if wraps else 1) * frequency for frequency in frequencies] for wraps in periodic]
        self.register_buffer("cycles_XF", torch.tensor(half_periods, dtype=torch.float32), persistent=False)
        self.register_buffer("wrap_X", torch.tensor(list(periodic), dtype=torch.float32), persistent=False)
        self.open_axes = tuple(axis for axis, wraps in enumerate(periodic) if not wraps)
        self.num_axes = len(periodic)
        self.num_features = len(self.open_axes) + 2 * len(periodic) * len(frequencies)

    def forward(self, coords_BNX: Tensor) -> Tensor:
        """The features of each point.

        Raises:
            ValueError: the points have another number of axes than this was built for.
        """
        check_axes("model", self.num_axes, coords_BNX.shape[-1])
        coords_BNX = coords_BNX.float()
        wrapped_BNX = coords_BNX - coords_BNX.floor() * self.wrap_X.float()
        angle_BNF = (wrapped_BNX.unsqueeze(-1) * self.cycles_XF.float() * math.pi).flatten(-2)
        parts = [coords_BNX[..., axis : axis + 1] * 2 - 1 for axis in self.open_axes]
        return torch.cat([*parts, angle_BNF.sin(), angle_BNF.cos()], dim=-1)
