"""Elementwise distances between an answer and the truth, shared by the terms that compare fields or latents."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F  # noqa: N812 (the usual name)
from torch import Tensor

Norm = Literal["mse", "l1", "huber"]
NormOrRelative = Literal["mse", "l1", "huber", "relative"]


def distance(value: Tensor, target: Tensor, norm: Norm, delta: float = 1.0) -> Tensor:
    """Elementwise distance of two tensors of one shape, in float32 at least.

    Args:
        norm: "mse" squares the difference, "l1" takes its size, "huber" squares it below ``delta`` (times one half)
            and grows linearly above.
        delta: where "huber" turns from square to linear, in normalised units.
    """
    value, target = wide(value), wide(target)
    if norm == "mse":
        return (value - target).square()
    if norm == "l1":
        return (value - target).abs()
    return F.huber_loss(value, target, reduction="none", delta=delta)


def wide(value: Tensor) -> Tensor:
    """The value in float32 where it came in half precision; float32 and float64 as they are."""
    return value.float() if value.element_size() < 4 else value
