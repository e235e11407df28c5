"""Whether a decoder's answer is smooth along every axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEPS = 4001


def check_smooth(decoder: nn.Module, latent_BLD: Tensor, axes: int, bend: float) -> None:
    """Asserts that value and slope are continuous along lines through the whole domain.

    Args:
        bend: the most that the slope changes from one of ``STEPS`` places to the next, of the largest slope.
    """
    line = torch.rand(axes).expand(STEPS, axes).clone()
    for axis in range(axes):
        moving = line.clone()
        moving[:, axis] = torch.linspace(0, 1, STEPS)
        value_QC = decoder.double()(latent_BLD.double(), moving.double().expand(2, -1, -1))[0]
        slope_QC = value_QC.diff(dim=0) * (STEPS - 1)
        assert value_QC.diff(dim=0).abs().max() < 0.1
        assert slope_QC.diff(dim=0).abs().max() < bend * slope_QC.abs().max()
