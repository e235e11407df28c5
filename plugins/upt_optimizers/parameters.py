"""Which parameters an optimizer gets, and which of them shrink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter that asks for a gradient, once, by name.

    Raises:
        ValueError: there is none.
    """
    found = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not found:
        raise ValueError("the model has no trainable parameter; thaw at least one of its parts")
    return found


def by_decay(parameters: Sequence[nn.Parameter], weight_decay: float, decay_all: bool) -> list[dict[str, Any]]:
    """Parameter groups: weights that shrink, and biases, norms and other 1-D parameters that do not."""
    matrices = [parameter for parameter in parameters if decay_all or parameter.dim() >= 2]
    vectors = [parameter for parameter in parameters if not (decay_all or parameter.dim() >= 2)]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def fused(parameters: Sequence[nn.Parameter]) -> bool | None:
    """Whether one kernel of torch's may update all parameters; None: one cannot, and torch chooses."""
    suited = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    if any(hasattr(p, "full_tensor") for p in parameters):  # divided among processes: torch's SGD has no such kernel
        return None
    return True if suited else None
