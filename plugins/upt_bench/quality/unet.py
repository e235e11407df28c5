"""MONAI's U-Net, in one to three dimensions."""

from __future__ import annotations

import torch
from torch import nn

from upt_bench.quality.between import Between, missing
from upt_bench.quality.places import Placed, num_places
from upt_core import UserError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
WIDTH = 16
"""Channels at the finest of five levels."""
NORM = ("group", {"num_groups": 8})
"""As in the U-Nets of PDEArena (arXiv 2209.15616); without, one step of Kolmogorov flow was 1.4 times less accurate."""
SHORTEST = 16
"""Points that an axis needs to be halved four times."""


def unet(it: Between) -> nn.Module:
    """A U-Net of five levels whose convolutions wrap around if the grid does.

    Where only some axes are periodic, all are padded with zeros, as at walls.

    Raises:
        UserError: MONAI is not installed, or an axis is too short.
    """
    if min(it.shape) < SHORTEST:
        raise UserError(f"the operator unet halves every axis four times: at least {SHORTEST} points, not {it.shape}")
    inputs = it.inputs + (num_places(it.periodic) if it.placed else 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(it.seed)
        network = _basic_unet(it.dims, inputs, it.outputs)
    if all(it.periodic):
        for module in network.modules():
            if isinstance(module, CONVOLUTIONS):
                module.padding_mode = "circular"
    return Placed(network, it.periodic) if it.placed else network


def _basic_unet(dims: int, inputs: int, outputs: int) -> nn.Module:
    try:
        from monai.networks.nets.basic_unet import BasicUNet  # late: an extra
    except ImportError as error:
        raise missing("unet", "monai", "monai") from error
    features = tuple(WIDTH * factor for factor in (1, 1, 2, 4, 8, 1))
    made: nn.Module = BasicUNet(dims, inputs, outputs, features, act="gelu", norm=NORM)
    return made
