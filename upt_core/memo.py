"""Keeps what was computed, so that it is computed once, and gives gradient to all who need it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")
Key = tuple[Hashable, ...]
_DEVICES = ("cpu", "cuda", "mps")


class Memo:
    """Values by key; what a key gives does not depend on who asked first.

    * A tensor that was computed under ``no_grad`` or ``inference_mode`` is given only to those who ask under one of
      these: whoever needs a gradient has it computed anew, with gradient, once for all others.
    * A tensor with gradient serves both: without gradient it is given detached.
    * Tensors of different autocast formats are kept apart.
    * A tensor that somebody changed in place, or with ``detach_`` or ``requires_grad_``, is refused.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, _Kept] = {}
        self._constants: dict[Key, object] = {}

    def tensor(self, key: Key, compute: Callable[[], Tensor]) -> Tensor:
        """The tensor of a key, with gradient where gradients are enabled."""
        needs_gradient = torch.is_grad_enabled()
        found = self.found(key)
        if found is None:
            with torch.inference_mode(False), torch.set_grad_enabled(needs_gradient):
                found = compute()
            self._kept[_in_format(key, needs_gradient)] = _Kept(found)
        return found

    def found(self, key: Key) -> Tensor | None:
        """The tensor of a key where it was computed already, and fits; None: it must be computed.

        Raises:
            RuntimeError: somebody changed it.
        """
        with_gradient = self._kept.get(_in_format(key, True))
        if torch.is_grad_enabled():
            return None if with_gradient is None else with_gradient.unchanged(key)
        if with_gradient is not None:
            return with_gradient.unchanged(key).detach()
        without = self._kept.get(_in_format(key, False))
        return None if without is None else without.unchanged(key)

    def constant(self, key: Key, compute: Callable[[], Value]) -> Value:
        """A value that depends on no parameter, for all who ask."""
        if key not in self._constants:
            with torch.inference_mode(False), torch.no_grad():
                self._constants[key] = compute()
        value: Value = self._constants[key]  # type: ignore[assignment]
        return value


class _Kept:
    """A tensor, and how it was when it came."""

    def __init__(self, value: Tensor) -> None:
        self._value = value
        self._was = _mark(value)

    def unchanged(self, key: Key) -> Tensor:
        if _mark(self._value) != self._was:
            name = " at time step ".join(str(word) for word in key if isinstance(word, str | int))
            raise RuntimeError(
                f"{name}: a loss term changed this tensor in place, which other terms share; "
                f"use an operation that makes a new tensor (x * 2 for x.mul_(2), x.detach() for x.detach_())"
            )
        return self._value


def _mark(value: Tensor) -> tuple[bool, int]:
    """Inference tensors, which a caller's batch may hold, count no changes."""
    return value.requires_grad, 0 if value.is_inference() else value._version


def _in_format(key: Key, with_gradient: bool) -> Key:
    """A key of its own for each number format that autocast computes in."""
    formats = [str(torch.get_autocast_dtype(device)) for device in _DEVICES if torch.is_autocast_enabled(device)]
    return (*key, with_gradient, *formats)
