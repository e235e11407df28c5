"""Values of small fake tensors that follow from constants alone, for code that looks at them.

A fake tensor has no values, so code that reads one (``if offset.max() < eps``, ``step.item()``) would stop. What was
made from constants by operations without randomness is therefore computed beside the fake one, where it is small.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

MOST_VALUES = 1 << 20
"""Larger tensors are not computed."""

ASKS = {torch.ops.aten._local_scalar_dense, torch.ops.aten.equal, torch.ops.aten.is_nonzero, torch.ops.aten.item}
REAL = "_upt_known_values"
"""Attribute of a fake tensor. A dictionary of weak references would keep modules from moving their parameters."""
RANDOM = torch.Tag.nondeterministic_seeded


class KnownValues:
    """Real values beside fake tensors."""

    def tell(self, fake: Tensor, real: Tensor) -> None:
        """The values of a fake tensor."""
        if real.numel() <= MOST_VALUES:
            setattr(fake, REAL, real)

    def value_of(self, fake: Tensor) -> Tensor:
        """The values of a fake tensor.

        Raises:
            DataDependentOutputException: they are not known.
        """
        if not hasattr(fake, REAL):
            raise DataDependentOutputException(torch.ops.aten._local_scalar_dense.default)
        value: Tensor = getattr(fake, REAL)
        return value

    def asked(self, func: Any, args: Any, kwargs: Any) -> tuple[bool, Any]:
        """Whether an operation asks for values that are known, and its answer."""
        if func.overloadpacket not in ASKS or not self._all_known(args, kwargs):
            return False, None
        return True, self._real_call(func, args, kwargs)

    def note(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        """Computes what an operation gives, where all that it takes is known and its answer small."""
        fakes = [value for value in tree_leaves(out) if isinstance(value, Tensor)]
        mutable = func._schema.is_mutable
        if not fakes or not self._worth(func, fakes) or not self._all_known(args, kwargs):
            if mutable:
                self._forget(args)
            return
        real = self._real_call(func, args, kwargs)
        for fake, value in zip(fakes, (v for v in tree_leaves(real) if isinstance(v, Tensor)), strict=True):
            setattr(fake, REAL, value)

    def _worth(self, func: Any, fakes: list[Tensor]) -> bool:
        small = all(fake.numel() <= MOST_VALUES and fake.device.type == "cpu" for fake in fakes)
        return small and RANDOM not in func.tags and "empty" not in func.name()

    def _forget(self, args: Any) -> None:
        for value in tree_leaves(args[:1]):
            if isinstance(value, Tensor) and hasattr(value, REAL):
                delattr(value, REAL)

    def _all_known(self, args: Any, kwargs: Any) -> bool:
        return all(not isinstance(value, FakeTensor) or hasattr(value, REAL) for value in _tensors(args, kwargs))

    def _real_call(self, func: Any, args: Any, kwargs: Any) -> Any:
        def real(value: Any) -> Any:
            return getattr(value, REAL) if isinstance(value, FakeTensor) else value

        with _disable_current_modes(), torch.no_grad():
            return func(*tree_map(real, args), **tree_map(real, kwargs))


def _tensors(args: Any, kwargs: Any) -> Iterator[Tensor]:
    return (value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor))
