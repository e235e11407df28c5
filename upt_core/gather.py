"""Values at points by number, as fast as the CPU moves them; weights for values between points."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.autograd import forward_ad

_ELEMENT = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""Bytes of a row of channels, and a type of which the row is one element. torch selects single elements in a loop of
its own, two to four times faster than rows, for each of which it calls ``memcpy``."""


def gather_points(value_BNC: Tensor, index_BQ: Tensor) -> Tensor:
    """Values (B, N, C) at the points ``index_BQ``: (B, Q, C), bit for bit.

    One ``index_select`` of rows of channels, all b under one another. Few steps of Python: beside the gather they are
    slow, as it drives them out of the processor's caches.
    """
    batch, num_points, channels = value_BNC.shape
    width = channels * value_BNC.element_size()
    constant = (width in _ELEMENT or value_BNC.stride(0) == 0) and is_constant(value_BNC)
    if batch == 1 or (constant and value_BNC.stride(0) == 0):
        rows_RC, number_BQ = value_BNC[0], index_BQ
    elif value_BNC.is_contiguous():
        rows_RC, number_BQ = value_BNC.view(-1, channels), index_BQ + _first_rows(batch, num_points, value_BNC)
    else:
        rows_RC, stride = _rows_apart(value_BNC)
        number_BQ = index_BQ + _first_rows(batch, stride, value_BNC)
    if constant and width in _ELEMENT and _is_aligned(rows_RC, width):
        element_R = rows_RC.view(_ELEMENT[width]).view(-1)
        taken = element_R.index_select(0, number_BQ.flatten()).view(value_BNC.dtype)
    else:
        taken = rows_RC.index_select(0, number_BQ.flatten())
    return taken.view(batch, index_BQ.shape[1], channels)


def _rows_apart(value_BNC: Tensor) -> tuple[Tensor, int]:
    """Rows (R, C), and how many lie from one b to the next: of a time slice without a copy, else of a copy."""
    batch, num_points, channels = value_BNC.shape
    stride = value_BNC.stride(0) // channels
    if value_BNC.requires_grad or value_BNC.stride() != (stride * channels, channels, 1):
        return value_BNC.reshape(-1, channels), num_points
    return value_BNC.as_strided((stride * (batch - 1) + num_points, channels), (channels, 1)), stride


def _first_rows(batch: int, stride: int, value: Tensor) -> Tensor:
    """The number of each b's first row, (B, 1). On CPU it is kept: to make it takes as long as to add it to all Q."""
    if value.is_cpu and type(value) is Tensor and not torch.compiler.is_compiling():  # a fake tensor must not stay
        return _kept_first_rows(batch, stride)
    return torch.arange(batch, device=value.device).unsqueeze(1) * stride


@lru_cache(maxsize=16)
def _kept_first_rows(batch: int, stride: int) -> Tensor:
    return torch.arange(batch).unsqueeze(1) * stride


def is_constant(value: Tensor) -> bool:
    """Whether no derivative goes through a tensor: backwards, forwards, or in the transforms of torch.func.

    Then it may go through operations that torch cannot differentiate or map, as sparse products.
    """
    if value.requires_grad or torch.compiler.is_compiling():
        return not value.requires_grad
    if type(value) is not Tensor:
        return False
    try:
        value.data_ptr()
    except RuntimeError:  # within the transforms a tensor has no memory of its own
        return False
    return forward_ad.unpack_dual(value).tangent is None  # type: ignore[no-untyped-call]


def _is_aligned(rows_RC: Tensor, width: int) -> bool:
    """Whether each row may be read as one element of ``width`` bytes.

    Under a slice of a numpy array memory begins anywhere, and processors refuse to read 16 bytes from there. Not where
    torch generates the loop itself (``torch.compile``), nor on other devices, which do well with rows.
    """
    if torch.compiler.is_compiling() or not rows_RC.is_cpu or not rows_RC.is_contiguous():
        return False
    return rows_RC.data_ptr() % width == 0 and rows_RC.storage_offset() * rows_RC.element_size() % width == 0


def lagrange_weights(place: Tensor, size: int) -> Tensor:
    """Weights (…, S) of values at 0, 1, …, S − 1 for their value at ``place``, by the polynomial through them.

    Polynomials up to degree S − 1 are exact; at a whole number below S the weights are exactly 1 there and 0 elsewhere.
    """
    weights = []
    for own in range(size):
        weight = torch.ones_like(place)
        for other in range(size):
            if other != own:
                weight = weight * (place - other) / (own - other)
        weights.append(weight)
    return torch.stack(weights, dim=-1)
