"""Watches operations: what they allocate, and whether they wait for values on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITS = (
    "_local_scalar_dense",
    "item",
    "is_nonzero",
    "equal",
    "nonzero",
    "masked_select",
    "_unique",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
    "multinomial",
)
"""Operations whose result, or its shape, the host has to read. ``multinomial`` reads its weights to check them."""

_READS = ("tolist", "numpy", "__array__", "cpu")
"""Methods of a tensor that copy its values to the host. On the CPU torch runs no operation for them."""


class Spy(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Counts while it is entered.

    Attributes:
        largest: elements of the largest new tensor.
        waits: names of the operations that wait for the device.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest = 0
        self.waits: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        picks_by_mask = name in ("index", "index_put", "index_put_") and any(
            leaf.dtype == torch.bool for leaf in tree_leaves(args[1]) if isinstance(leaf, Tensor)
        )
        counts_by_tensor = name == "repeat_interleave" and "output_size" not in (kwargs or {})
        if name in _WAITS or picks_by_mask or counts_by_tensor:
            self.waits.append(name)
        old = {leaf.untyped_storage()._cdata for leaf in leaves}
        for new in tree_leaves(result):
            if isinstance(new, Tensor) and new.untyped_storage()._cdata not in old:
                self.largest = max(self.largest, new.untyped_storage().nbytes() // max(1, new.element_size()))
        return result


class _Reads(TorchFunctionMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Adds the methods that copy values to the host to the list of a spy."""

    def __init__(self, waits: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.waits = waits

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if func is torch.allclose or (name in _READS and getattr(torch.Tensor, name, None) is func):
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


def watch(action: Callable[[], object]) -> Spy:
    """Runs an action under a spy."""
    spy = Spy()
    with _Reads(spy.waits), spy:
        action()
    return spy
