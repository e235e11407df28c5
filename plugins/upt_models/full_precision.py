"""Parts of a model that automatic mixed precision leaves alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(value: Tensor) -> AbstractContextManager[object]:
    """Turns autocast off on the value's device; a program that is traced has none, and torch could not write it."""
    if torch.compiler.is_exporting():
        return nullcontext()
    return torch.autocast(value.device.type, enabled=False)
