"""The torch optimizer of Muon: momentum, made orthogonal by Newton-Schulz iterations, same-shaped matrices together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from upt_optimizers.matrices import MatrixShape, stacked
from upt_optimizers.whole import cut_like, whole

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd polynomial a·x + b·x³ + c·x⁵ that pushes singular values towards 1; the steepest at 0."""
RMS_OF_ADAMW = 0.2
"""Usual root mean square of AdamW's updates, relative to the learning rate."""
TINY = 1e-7


def orthogonal(value: Tensor, steps: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Matrices with the singular vectors of ``value`` (matrices, rows, columns) and singular values near 1.

    Args:
        steps: iterations.
        dtype: in which they are computed.

    Source: Jordan et al., Muon (2024).
    """
    a, b, c = COEFFICIENTS
    tall = value.shape[-2] > value.shape[-1]
    wide = (value.mT if tall else value).to(dtype)
    wide = wide / torch.linalg.matrix_norm(wide, keepdim=True).clamp_min(TINY)
    for _ in range(steps):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return (wide.mT if tall else wide).to(value.dtype)


class OrthogonalMomentum(torch.optim.Optimizer):
    """Muon on batches of same-shaped matrices: torch's own, which takes one matrix after the other, in bfloat16.

    The iterations run in bfloat16 on CUDA devices that have units for it, else in float32: a processor without them is
    many times slower in bfloat16. States are named as torch's, so its checkpoints can be read.

    Args:
        shapes: the parameters, each with its shape as matrices.
        lr: learning rate; an update's root mean square is 0.2 of it, as AdamW's.
        weight_decay: decoupled, as in AdamW.
        momentum: memory of the gradient.
        nesterov: look ahead with Nesterov's momentum.
        ns_steps: Newton-Schulz iterations.

    Source: Jordan et al., Muon (2024); scaling of updates: Liu et al., arXiv 2502.16982.
    """

    def __init__(
        self,
        shapes: Mapping[nn.Parameter, MatrixShape],
        lr: float,
        weight_decay: float,
        momentum: float,
        nesterov: bool,
        ns_steps: int,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(list(shapes), {**defaults, "nesterov": nesterov, "ns_steps": ns_steps})
        self._shapes = dict(shapes)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            sorts: dict[tuple[Any, ...], list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shape = self._shapes[parameter]
                    sort = (shape.rows, shape.columns, parameter.device, parameter.dtype)
                    sorts.setdefault(sort, []).append(parameter)
            for (rows, columns, *_), parameters in sorts.items():
                self._move(parameters, (rows, columns), group)
        return loss

    def _move(self, parameters: list[nn.Parameter], shape: tuple[int, int], group: Mapping[str, Any]) -> None:
        directions = [whole(self._direction(parameter, group)) for parameter in parameters]
        update = orthogonal(stacked(directions, shape), group["ns_steps"], _dtype(directions[0]))
        counts = [self._shapes[parameter].count for parameter in parameters]
        size = group["lr"] * RMS_OF_ADAMW * math.sqrt(max(shape))
        for parameter, own in zip(parameters, torch.split(update, counts), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(cut_like(own.reshape(parameter.shape), parameter), alpha=size)

    def _direction(self, parameter: nn.Parameter, group: Mapping[str, Any]) -> Tensor:
        """The momentum after this gradient."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer: Tensor = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer


def _dtype(value: Tensor) -> torch.dtype:
    """In which to iterate: bfloat16 where the device has units for it, never less than the parameter's float64."""
    if value.dtype == torch.float32 and value.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return value.dtype
