"""The torch optimizer of SOAP: batches of same-shaped matrices, each in the eigenbasis of its gradient's factors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from upt_optimizers.matrices import MatrixShape, stacked
from upt_optimizers.whole import cut_like, whole

Key = tuple[int, int, int, torch.device, torch.dtype]  # rows, columns, steps done, …: what is worked on as one batch


@dataclass
class Batch:
    """Matrices of one shape and age. The states of their parameters are views of these tensors.

    Args:
        parameters: whose matrices stand here, one after the other.
        exp_avg: mean of the gradient, in the basis: (matrices, rows, columns).
        exp_avg_sq: mean of its square, in the basis.
        factors: means of G·Gᵀ and Gᵀ·G; None for a side that is too long.
        bases: orthonormal eigenvectors of the factors as columns, largest eigenvalue first.
        step: steps done.
    """

    parameters: list[nn.Parameter]
    exp_avg: Tensor
    exp_avg_sq: Tensor
    factors: list[Tensor | None]
    bases: list[Tensor | None]
    step: int

    def into_basis(self, value: Tensor) -> Tensor:
        """Uᵀ · value · V."""
        left, right = self.bases
        value = value if left is None else left.mT @ value
        return value if right is None else value @ right

    def out_of_basis(self, value: Tensor) -> Tensor:
        """U · value · Vᵀ."""
        left, right = self.bases
        value = value if left is None else left @ value
        return value if right is None else value @ right.mT


class EigenbasisAdam(torch.optim.Optimizer):
    """Adam on each matrix of a parameter, in the eigenbasis of the means of G·Gᵀ and Gᵀ·G of its gradient G.

    The basis is measured exactly at a parameter's first step, which does not move it, and then follows the factors
    by one step of orthogonal iteration (multiply, QR) every ``every`` steps. Everything that is remembered is in
    torch's optimizer state, so a run goes on from a checkpoint bit by bit.

    Args:
        shapes: the parameters, each with its shape as matrices.
        lr: learning rate.
        weight_decay: decoupled, as in AdamW.
        betas: memory of the gradient's mean, and of its square and the factors.
        eps: added to the denominator, so that the division stays finite.
        every: steps between renewals of the basis.
        max_size: longer sides keep their own axes.

    Source: Vyas et al., arXiv 2409.11321, algorithm 3.
    """

    keeps_whole_states = True
    """Each of several processes has the states of all matrices, also where the parameters are divided."""

    def __init__(
        self,
        shapes: Mapping[nn.Parameter, MatrixShape],
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
        eps: float,
        every: int,
        max_size: int,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps, "every": every}
        super().__init__(list(shapes), defaults)
        self._shapes = dict(shapes)
        self._max_size = max_size
        self._batches: dict[tuple[int, ...], list[Batch]] = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            for batch in self._gathered(moving):
                gradients = [whole(p.grad) for p in batch.parameters if p.grad is not None]
                gradient = stacked(gradients, (batch.exp_avg.shape[-2], batch.exp_avg.shape[-1]))
                if batch.step == 0:
                    self._measure(batch, gradient)
                else:
                    self._move(batch, gradient, group)
                batch.step += 1
                for parameter in batch.parameters:
                    self.state[parameter]["step"] = batch.step
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what ``state_dict`` gave."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            state.update({name: whole(value) for name, value in state.items() if isinstance(value, Tensor)})
        self._batches.clear()

    def _gathered(self, moving: Sequence[nn.Parameter]) -> list[Batch]:
        """The batches of these parameters; states are copied only where the set differs from that of the last step."""
        key = tuple(map(id, moving))
        if key not in self._batches:
            self._batches.clear()
            sorts: dict[Key, list[nn.Parameter]] = {}
            for parameter in moving:
                shape, step = self._shapes[parameter], self._state_of(parameter)["step"]
                sort = (shape.rows, shape.columns, step, parameter.device, parameter.dtype)
                sorts.setdefault(sort, []).append(parameter)
            self._batches[key] = [self._batch(parameters) for parameters in sorts.values()]
        return self._batches[key]

    def _state_of(self, parameter: nn.Parameter) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            shape = self._shapes[parameter]
            options: dict[str, Any] = {
                "device": parameter.device,
                "dtype": parameter.dtype,
            }  # whole, where the parameter is a part
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.zeros(shape.count, shape.rows, shape.columns, **options)
            for side, size in (("left", shape.rows), ("right", shape.columns)):
                if size <= self._max_size:
                    state[f"{side}_factor"] = torch.zeros(shape.count, size, size, **options)
                    state[f"{side}_basis"] = torch.zeros(shape.count, size, size, **options)
            state["step"] = 0
        return state

    def _batch(self, parameters: list[nn.Parameter]) -> Batch:
        """The states of parameters as one batch, of which they become views."""
        names = [name for name in self.state[parameters[0]] if name != "step"]
        whole = {name: torch.cat([self.state[parameter][name] for parameter in parameters]) for name in names}
        counts = [self._shapes[parameter].count for parameter in parameters]
        for name, tensor in whole.items():
            for parameter, view in zip(parameters, torch.split(tensor, counts), strict=True):
                self.state[parameter][name] = view
        factors = [whole.get("left_factor"), whole.get("right_factor")]
        bases = [whole.get("left_basis"), whole.get("right_basis")]
        return Batch(
            parameters, whole["exp_avg"], whole["exp_avg_sq"], factors, bases, self.state[parameters[0]]["step"]
        )

    @staticmethod
    def _measure(batch: Batch, gradient: Tensor) -> None:
        """The first step: factors and their eigenvectors."""
        for factor, basis, square in zip(batch.factors, batch.bases, _squares(gradient), strict=True):
            if factor is not None and basis is not None:
                factor.copy_(square())
                basis.copy_(_eigenvectors(factor))

    def _move(self, batch: Batch, gradient: Tensor, group: Mapping[str, Any]) -> None:
        """Adam's step in the basis, then factors and basis follow."""
        (beta1, beta2), done = group["betas"], batch.step
        turned = batch.into_basis(gradient)
        batch.exp_avg.lerp_(turned, 1 - beta1)
        batch.exp_avg_sq.mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
        size = (batch.exp_avg_sq / (1 - beta2**done)).sqrt_().add_(group["eps"])
        update = batch.out_of_basis(batch.exp_avg / size.mul_(1 - beta1**done))
        _apply(batch.parameters, update, group["lr"], group["weight_decay"])
        for factor, square in zip(batch.factors, _squares(gradient), strict=True):
            if factor is not None:
                factor.lerp_(square(), 1 - beta2)
        if done % group["every"] == 0:
            _renew(batch)


def _eigenvectors(factor: Tensor) -> Tensor:
    """Eigenvectors of matrices that are symmetric and not negative, that of the largest eigenvalue first.

    They are the left singular vectors. MKL's ``eigh`` does not converge for many matrices of rank one, or answers with
    NaN: 18 % of those tried in float32, 0.3 % in float64; gradients are so where inputs are constant or sparse.
    """
    device = "cpu" if factor.device.type == "mps" else factor.device  # which has no float64
    basis: Tensor = torch.linalg.svd(factor.to(device, torch.float64))[0]
    return basis.to(factor)


def _squares(gradient: Tensor) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """G·Gᵀ and Gᵀ·G, each when asked for."""
    return (lambda: gradient @ gradient.mT), (lambda: gradient.mT @ gradient)


def _apply(parameters: Iterable[nn.Parameter], update: Tensor, lr: float, weight_decay: float) -> None:
    """Takes the update of each parameter's matrices from it."""
    start = 0
    for parameter in parameters:
        count = parameter.numel() // (update.shape[-2] * update.shape[-1])
        if weight_decay:
            parameter.mul_(1 - lr * weight_decay)
        own = update[start : start + count].reshape(parameter.shape)
        parameter.sub_(cut_like(own, parameter), alpha=lr)
        start += count


def _renew(batch: Batch) -> None:
    """One step of orthogonal iteration; the mean of the gradient is turned along with its basis."""
    mean = batch.out_of_basis(batch.exp_avg)
    for factor, basis in zip(batch.factors, batch.bases, strict=True):
        if factor is not None and basis is not None:
            basis.copy_(torch.linalg.qr(factor @ basis)[0])
    batch.exp_avg.copy_(batch.into_basis(mean))
