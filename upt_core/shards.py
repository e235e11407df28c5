"""Tensors of which each process may hold a part: that part, the whole, and a whole one cut like another.

A sharded tensor is torch's ``DTensor``, cut along its first axis. It is known by its ``placements``, so that nothing
here imports it where no model is sharded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def is_sharded(value: object) -> bool:
    """Whether other processes hold parts of a tensor."""
    return hasattr(value, "placements") and isinstance(value, Tensor)


def local(value: Tensor) -> Tensor:
    """This process's part, in the same memory; a tensor that is not sharded is its own."""
    own: Tensor = value.to_local() if is_sharded(value) else value  # type: ignore[attr-defined]
    return own


def first_row(value: Tensor) -> int:
    """Where this process's part begins along the first axis of a tensor; 0 where it is not sharded."""
    if not is_sharded(value):
        return 0
    mesh = value.device_mesh  # type: ignore[attr-defined]
    each = -(-len(value) // mesh.size())  # as torch.chunk cuts it
    return int(min(each * mesh.get_local_rank(), len(value)))


def whole(value: Tensor) -> Tensor:
    """The whole of a tensor. All processes must ask for it."""
    found: Tensor = value.full_tensor() if is_sharded(value) else value  # type: ignore[attr-defined]
    return found


def cut_like(value: Tensor, target: Any) -> Tensor:
    """A whole tensor cut as another one is, without a message; one that is cut already, or need not be, is itself."""
    if not is_sharded(target) or is_sharded(value):
        return value
    from torch.distributed.tensor import distribute_tensor

    on_device = value.to(target.device)
    return distribute_tensor(on_device, target.device_mesh, target.placements, src_data_rank=None)


def whole_state(value: Any) -> Any:
    """A state of nested plain data in which every sharded tensor is whole, on the CPU. All processes must ask for it.

    A tensor that occurs twice, as one that several tasks share, is gathered once.
    """
    return _whole_state(value, {})


def _whole_state(value: Any, known: dict[int, Tensor]) -> Any:
    if is_sharded(value):
        if id(value) not in known:
            known[id(value)] = whole(value.detach()).cpu()
        return known[id(value)]
    if isinstance(value, Mapping):
        return {key: _whole_state(part, known) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_whole_state(part, known) for part in value)
    return value
