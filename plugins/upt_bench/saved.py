"""Memory that a forward pass keeps for its backward pass: a property of the computation, the same on every device."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


def saved_bytes(compute: Callable[[], object], besides: Iterable[Tensor]) -> int:
    """Bytes of all tensors that autograd saves while ``compute`` runs.

    Args:
        compute: the forward pass.
        besides: tensors that are there anyhow (parameters, the batch) and are not counted.
    """
    known = {value.untyped_storage().data_ptr() for value in besides}
    kept: dict[int, Tensor] = {}  # holds them, so that no memory is used twice and taken for one tensor's

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = value
        return value

    with torch.enable_grad(), saved_tensors_hooks(pack, lambda value: value):
        compute()
    total = sum(value.untyped_storage().nbytes() for value in kept.values())
    kept.clear()  # the graph holds ``pack``, which holds them, which hold the graph
    return total
