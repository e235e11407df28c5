"""Whole matrices of parameters that are divided among processes (torch's ``DTensor``), and their parts."""

from __future__ import annotations

from torch import Tensor


def whole(value: Tensor) -> Tensor:
    """The whole of a tensor, gathered where other processes hold parts of it; all must ask for it."""
    found: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return found


def cut_like(value: Tensor, parameter: Tensor) -> Tensor:
    """This process's part of a tensor that each has computed whole, cut as a parameter is."""
    if not hasattr(parameter, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)  # type: ignore[attr-defined]
