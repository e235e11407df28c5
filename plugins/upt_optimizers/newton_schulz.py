"""The torch optimizer of Muon: momentum, made orthogonal by Newton-Schulz iterations, same-shaped matrices together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from upt_optimizers.matrices import MatrixShape, stacked
from upt_optimizers.whole import cut_like, is_divided, whole

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
    left, right = orthogonal_product(value.to(dtype), steps)
    return (left @ right).to(value.dtype)


def orthogonal_product(value: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Two batches of matrices whose product is what ``orthogonal`` gives, in the data type of ``value``."""
    tall, long = value.shape[-2] > value.shape[-1], max(value.shape[-2:]) >= 2 * min(value.shape[-2:])
    wide = value.mT if tall else value
    # Half the work where matrices are long; below float32 the small singular values would be lost in the squares.
    if long and value.dtype.itemsize >= 4:
        factor, wide = _factors(wide, steps)
    else:
        factor, wide = _iterated(wide / torch.linalg.matrix_norm(wide, keepdim=True).clamp_min(TINY), steps)
    return (wide.mT, factor.mT) if tall else (factor, wide)


def _factors(wide: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """What is left to be multiplied after iterations on X Xᵀ alone. Of X itself not even the norm is taken."""
    gram = wide @ wide.mT
    norm = gram.diagonal(dim1=-2, dim2=-1).sum(-1).sqrt_().clamp_min_(TINY)[:, None, None]
    factor = _factor(gram.div_(norm).div_(norm), min(MOST_IN_SQUARES, steps)).div_(norm)  # its square may be too small
    for done in range(MOST_IN_SQUARES, steps, MOST_IN_SQUARES):
        wide = factor @ wide
        factor = _factor(wide @ wide.mT, min(MOST_IN_SQUARES, steps - done))
    return factor, wide


def _iterated(wide: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The iterations X ← (a + b X Xᵀ + c (X Xᵀ)²) X, in memory that is taken once, without the last product."""
    gram = wide.new_empty(wide.shape[0], wide.shape[1], wide.shape[1])
    polynomial, other = torch.empty_like(gram), torch.empty_like(wide)
    for step in range(steps):
        if step:
            torch.bmm(polynomial, wide, out=other)
            wide, other = other, wide
        torch.bmm(wide, wide.mT, out=gram)
        _polynomial(gram, polynomial)
    return polynomial, wide


def _factor(gram: Tensor, steps: int) -> Tensor:
    """What the iterations multiply X by, from X Xᵀ alone, which is lost: P = a + b G + c G², and G becomes P G P."""
    polynomial, product, other = torch.empty_like(gram), torch.empty_like(gram), torch.empty_like(gram)
    for step in range(steps):
        _polynomial(gram, polynomial)
        if step:
            torch.bmm(polynomial, product, out=other)
            product, other = other, product
        else:
            product.copy_(polynomial)
        if step + 1 < steps:
            torch.bmm(polynomial, gram, out=other)
            torch.bmm(other, polynomial, out=gram)
    return product


def _polynomial(gram: Tensor, out: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    torch.baddbmm(gram, gram, gram, beta=b, alpha=c, out=out)
    out.diagonal(dim1=-2, dim2=-1).add_(a)
    return out


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
        directions = self._directions(parameters, shape, group)
        counts = [self._shapes[parameter].count for parameter in parameters]
        kept, size = 1 - group["lr"] * group["weight_decay"], group["lr"] * RMS_OF_ADAMW * math.sqrt(max(shape))
        left, right = orthogonal_product(directions.to(_dtype(directions)), group["ns_steps"])
        if left.dtype == directions.dtype and all(_on_host(parameter) for parameter in parameters):
            parts = zip(parameters, torch.split(left, counts), torch.split(right, counts), strict=True)
            for parameter, one, other in parts:  # all of the update in one operation
                parameter.view(-1, *shape).baddbmm_(one, other, beta=kept, alpha=-size)
            return
        updates = zip(torch.split((left @ right).to(directions.dtype), counts), parameters, strict=True)
        own = [cut_like(part.reshape(parameter.shape), parameter) for part, parameter in updates]
        weights: list[Tensor] = list(parameters)
        torch._foreach_mul_(weights, kept)
        torch._foreach_add_(weights, own, alpha=-size)

    def _directions(self, parameters: list[nn.Parameter], shape: tuple[int, int], group: Mapping[str, Any]) -> Tensor:
        """The directions after these gradients, whole, as one batch of matrices."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        if group["nesterov"] and all(_on_host(parameter) for parameter in parameters):
            return self._ahead(gradients, buffers, shape, group["momentum"])
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        directions: Sequence[Tensor] = buffers
        if group["nesterov"]:
            directions = torch._foreach_lerp(gradients, buffers, group["momentum"])
        return stacked(map(whole, directions), shape)

    @staticmethod
    def _ahead(gradients: list[Tensor], buffers: list[Tensor], shape: tuple[int, int], momentum: float) -> Tensor:
        """The same, one parameter after the other while it is in the processor's cache, and to its place at once."""
        sizes = [gradient.numel() for gradient in gradients]
        found = gradients[0].new_empty(sum(sizes))
        for gradient, buffer, part in zip(gradients, buffers, torch.split(found, sizes), strict=True):
            buffer.lerp_(gradient, 1 - momentum)
            torch.lerp(gradient, buffer, momentum, out=part.view(gradient.shape))
        return found.view(-1, *shape)


def _on_host(parameter: Tensor) -> bool:
    """Whether a parameter is whole, on the CPU, its matrices one after the other: there, few passes through memory
    count, on other devices few operations."""
    return parameter.device.type == "cpu" and parameter.is_contiguous() and not is_divided(parameter)


def _dtype(value: Tensor) -> torch.dtype:
    """In which to iterate: bfloat16 where the device has units for it, never less than the parameter's float64."""
    if value.dtype == torch.float32 and value.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return value.dtype
