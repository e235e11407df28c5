"""AdamW."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from upt_core import Optimizer
from upt_optimizers.parameters import by_decay, fused, trainable


class AdamW(Optimizer):
    """AdamW: Adam with decoupled weight decay; the default for transformers.

    Args:
        lr: learning rate. Good values: 1e-4 to 3e-3, with warm-up.
        weight_decay: strength of the weight decay. Good values: 0 to 0.1.
        beta1: decay rate of the gradient's mean.
        beta2: decay rate of the gradient's mean square. 0.95 adapts faster, which suits large batches.
        eps: added to the denominator, so that the division stays finite.
        decay_all: apply weight decay to biases, norms and other 1-D parameters, too.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv 1711.05101.
    """

    def __init__(
        self,
        lr: Annotated[float, Field(gt=0)] = 1e-3,
        weight_decay: Annotated[float, Field(ge=0)] = 0.01,
        beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999,
        eps: Annotated[float, Field(gt=0)] = 1e-8,
        decay_all: bool = False,
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = (beta1, beta2)
        self.eps = eps
        self.decay_all = decay_all

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """One optimizer over every trainable parameter.

        Raises:
            ValueError: the model has no trainable parameter.
        """
        parameters = list(trainable(model).values())
        groups = by_decay(parameters, self.weight_decay, self.decay_all)
        return [torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=fused(parameters))]
