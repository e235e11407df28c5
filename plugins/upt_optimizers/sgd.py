"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from upt_core import Optimizer
from upt_optimizers.parameters import by_decay, fused, trainable


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum. Transformers train better with ``adamw``; this is a simple baseline.

    Args:
        lr: learning rate. Good values: 0.01 to 0.1.
        momentum: memory of the gradient.
        nesterov: look ahead with Nesterov's momentum; needs a momentum above 0.
        weight_decay: how fast weights shrink.
        decay_all: apply weight decay to biases, norms and other 1-D parameters, too.
    """

    def __init__(
        self,
        lr: Annotated[float, Field(gt=0)] = 0.01,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        nesterov: bool = False,
        weight_decay: Annotated[float, Field(ge=0)] = 0.0,
        decay_all: bool = False,
    ) -> None:
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, for example 0.9")
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.decay_all = decay_all

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """One optimizer over every trainable parameter.

        Raises:
            ValueError: the model has no trainable parameter.
        """
        parameters = list(trainable(model).values())
        groups = by_decay(parameters, self.weight_decay, self.decay_all)
        return [
            torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, fused=fused(parameters))
        ]
