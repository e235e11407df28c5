"""How weights start: so that every residual branch is small at first and deep stacks train from the first step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

SMALL_HEAD = 0.1
"""Size of a decoder's first weights, relative to Xavier's: training starts near the mean of the normalised fields."""


def initialise(module: nn.Module) -> None:
    """Linear layers: Xavier's uniform weights, zero biases."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            nn.init.xavier_uniform_(child.weight)
            if child.bias is not None:
                nn.init.zeros_(child.bias)


def scale_(layers: Iterable[nn.Linear], factor: float) -> None:
    """Shrinks the weights of layers that end a residual branch."""
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(factor)


def zero_(layer: nn.Linear) -> None:
    """Lets a layer start without effect."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
