"""The torch optimizer of Muon: momentum, made orthogonal by Newton-Schulz iterations, same-shaped matrices together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
MOST_IN_SQUARES = 5
"""Iterations on X Xᵀ alone. Rounding may make its zeros negative, 1e-7 of the largest, and each iteration makes those
12 times larger; after five they are still nothing."""


def orthogonal(value: Tensor, steps: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Matrices with the singular vectors of ``value`` (matrices, rows, columns) and singular values near 1.

    Args:
        steps: iterations.
        dtype: in which they are computed.

    Source: Jordan et al., Muon (2024).
    """
    tall = value.shape[-2] > value.shape[-1]
    wide = (value.mT if tall else value).to(dtype)
    wide = wide / torch.linalg.matrix_norm(wide, keepdim=True).clamp_min(TINY)
    # Half the work where matrices are long; below float32 the small singular values would be lost in the squares.
    small = wide.shape[-1] >= 2 * wide.shape[-2] and dtype.itemsize >= 4
    for done in range(0, steps, MOST_IN_SQUARES):
        count = min(MOST_IN_SQUARES, steps - done)
        wide = _factor(wide @ wide.mT, count) @ wide if small else _iterated(wide, count)
    return (wide.mT if tall else wide).to(value.dtype)


def _iterated(wide: Tensor, steps: int) -> Tensor:
    """The iterations X ← (a + b X Xᵀ + c (X Xᵀ)²) X."""
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide


def _factor(gram: Tensor, steps: int) -> Tensor:
    """What the iterations multiply X by, from X Xᵀ alone: P = a + b G + c G², and G becomes P G P."""
    a, b, c = COEFFICIENTS
    product: Tensor | None = None
    for step in range(steps):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=-2, dim2=-1).add_(a)
        product = polynomial if product is None else polynomial @ product
        if step + 1 < steps:
            gram = polynomial @ gram @ polynomial
    assert product is not None
    return product


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
        directions = [whole(direction) for direction in self._directions(parameters, group)]
        update = orthogonal(stacked(directions, shape), group["ns_steps"], _dtype(directions[0]))
        counts = [self._shapes[parameter].count for parameter in parameters]
        parts = zip(torch.split(update, counts), parameters, strict=True)
        own = [cut_like(part.reshape(parameter.shape), parameter) for part, parameter in parts]
        weights: list[Tensor] = list(parameters)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, own, alpha=-group["lr"] * RMS_OF_ADAMW * math.sqrt(max(shape)))

    def _directions(self, parameters: list[nn.Parameter], group: Mapping[str, Any]) -> Sequence[Tensor]:
        """The momenta after these gradients."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        if not group["nesterov"]:
            return buffers
        ahead: Sequence[Tensor] = torch._foreach_lerp(gradients, buffers, group["momentum"])
        return ahead


def _dtype(value: Tensor) -> torch.dtype:
    """In which to iterate: bfloat16 where the device has units for it, never less than the parameter's float64."""
    if value.dtype == torch.float32 and value.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return value.dtype
