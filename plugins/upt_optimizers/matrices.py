"""Parameters as batches of matrices: what optimizers that look at rows and columns work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class MatrixShape:
    """How the numbers of a parameter lie as ``count`` matrices of ``rows`` × ``columns``."""

    count: int
    rows: int
    columns: int

    def of(self, value: Tensor) -> Tensor:
        """The parameter, or anything of its shape, as (count, rows, columns)."""
        return value.reshape(self.count, self.rows, self.columns)


def matrix_shapes(model: nn.Module) -> dict[nn.Parameter, MatrixShape]:
    """The shape, as matrices, of every trainable parameter that has two dimensions or more, in the model's order.

    The weight of a convolution is one matrix, outputs × (inputs · taps). Any other parameter of more than two
    dimensions, such as the weights of the modes of a spectral layer, is a batch of matrices over its last two.
    """
    taps = {module.weight for module in model.modules() if isinstance(module, CONVOLUTIONS)}
    return {
        parameter: _shape(parameter, parameter in taps)
        for parameter in model.parameters()
        if parameter.requires_grad and parameter.dim() >= 2 and not parameter.is_complex()
    }


def _shape(parameter: nn.Parameter, convolution: bool) -> MatrixShape:
    if convolution:
        return MatrixShape(1, parameter.shape[0], parameter.shape[1:].numel())
    return MatrixShape(parameter.shape[:-2].numel(), parameter.shape[-2], parameter.shape[-1])


def stacked(values: Iterable[Tensor], shape: tuple[int, int]) -> Tensor:
    """Tensors of matrices of one shape as one batch of them."""
    return torch.cat([value.reshape(-1, *shape) for value in values])
