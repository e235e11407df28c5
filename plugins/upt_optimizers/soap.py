"""SOAP: Adam in the eigenbasis of Shampoo's factors."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from upt_core import Optimizer
from upt_optimizers.eigenbasis import EigenbasisAdam
from upt_optimizers.matrices import matrix_shapes
from upt_optimizers.parameters import by_decay, fused, trainable


class Soap(Optimizer):
    """SOAP: Adam in the eigenbasis of Shampoo's factors, for weight matrices; AdamW for vectors.

    Shampoo keeps the mean of G·Gᵀ and Gᵀ·G of a weight's gradient G. In the eigenbasis of both, gradients are nearly
    uncorrelated, so Adam's step for each entry is close to a step that uses their correlations. On small operators it
    reaches a half to a tenth of AdamW's error in the same time, although a step costs more. The first step only
    measures the basis and moves no matrix.

    Weights of convolutions are matrices of outputs × (inputs · taps); other weights of more than two dimensions, such
    as those of a spectral layer's modes, are many small matrices. All matrices of one shape are processed as one batch.

    Args:
        lr: learning rate. Good values: 1e-3 to 3e-3, with warm-up; as for AdamW or a little above.
        weight_decay: strength of the weight decay. Good values: 0 to 0.01.
        beta1: decay rate of the gradient's mean.
        beta2: decay rate of the gradient's mean square and of the factors. 0.95 suits runs of thousands of steps.
        eps: added to the denominator, so that the division stays finite.
        every: steps between updates of the basis; each update is one step of orthogonal iteration. Good values: 10;
            smaller values cost more and gain little.
        max_size: sides with more rows or columns than this are not rotated: a very wide matrix is rotated only on its
            short side, and a matrix that is long on both sides gets plain Adam. Good values: 256 to 2048; memory and
            time of an update grow with its square and cube.
        decay_all: apply weight decay to biases, norms and other 1-D parameters, too.

    Source: Vyas et al., SOAP: Improving and Stabilizing Shampoo using Adam, arXiv 2409.11321.
    """

    def __init__(
        self,
        lr: Annotated[float, Field(gt=0)] = 3e-3,
        weight_decay: Annotated[float, Field(ge=0)] = 0.0,
        beta1: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        eps: Annotated[float, Field(gt=0)] = 1e-8,
        every: Annotated[int, Field(ge=1)] = 10,
        max_size: Annotated[int, Field(ge=1)] = 1024,
        decay_all: bool = False,
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = (beta1, beta2)
        self.eps = eps
        self.every = every
        self.max_size = max_size
        self.decay_all = decay_all

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """SOAP over matrices, and AdamW over the rest, unless either has nothing to do.

        Raises:
            ValueError: the model has no trainable parameter.
        """
        parameters = list(trainable(model).values())
        shapes = matrix_shapes(model)
        rest = [parameter for parameter in parameters if parameter not in shapes]
        found: list[torch.optim.Optimizer] = []
        if shapes:
            options = (self.lr, self.weight_decay, self.betas, self.eps, self.every, self.max_size)
            found.append(EigenbasisAdam(shapes, *options))
        if rest:
            groups = by_decay(rest, self.weight_decay, self.decay_all)
            found.append(torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=fused(rest)))
        return found
