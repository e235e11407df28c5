"""Whole matrices of parameters that are divided among processes (torch's ``DTensor``), and their parts."""

from __future__ import annotations

from torch import Tensor


def is_divided(value: Tensor) -> bool:
    """Whether other processes hold parts of a tensor."""
    return hasattr(value, "full_tensor")


def whole(value: Tensor) -> Tensor:
    """The whole of a tensor, gathered where other processes hold parts of it; all must ask for it."""
    found: Tensor = value.full_tensor() if is_divided(value) else value  # type: ignore[attr-defined]
    return found


def cut_like(value: Tensor, parameter: Tensor) -> Tensor:
    """This process's part of a tensor that each has computed whole, cut as a parameter is."""
    if not is_divided(parameter):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)  # type: ignore[attr-defined]
