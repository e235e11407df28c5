"""Muon for the hidden weights, AdamW for everything else."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from upt_core import Approximator, Decoder, Encoder, Optimizer
from upt_optimizers.matrices import CONVOLUTIONS, matrix_shapes
from upt_optimizers.newton_schulz import OrthogonalMomentum
from upt_optimizers.parameters import by_decay, fused, trainable

FIRST_AND_LAST = ("*embed*", "*head*", "*queries*", "*tokens*", "*latents*")
"""Names of what maps into or out of the hidden layers, where Muon is not meant to be used."""
PARTS = (Encoder, Approximator, Decoder)


class Muon(Optimizer):
    """Muon, which makes each update of a hidden weight matrix orthogonal, with AdamW for all other parameters.

    Muon gets the weights of ``torch.nn.Linear`` layers, and the batches of matrices of spectral layers, whose name
    matches none of ``adamw_names``. AdamW gets the rest: biases, norms, learned queries, convolutions, first embeddings
    and output heads. Updates are scaled to AdamW's size (root mean square 0.2 · lr), so both use one learning rate and
    one weight decay, tuned as for AdamW. Matrices of the same shape are processed as one batch, on the CPU in float32.

    Args:
        lr: learning rate of both. Good values: 3e-4 to 3e-3, with warm-up.
        weight_decay: strength of the weight decay, in both. Good values: 0.01 to 0.1.
        momentum: momentum of Muon.
        nesterov: look ahead with Nesterov's momentum.
        ns_steps: Newton-Schulz iterations that make an update orthogonal. Good values: 5.
        beta1: AdamW's decay rate of the gradient's mean.
        beta2: AdamW's decay rate of the gradient's mean square.
        eps: added to AdamW's denominator.
        decay_all: apply weight decay to biases, norms and other 1-D parameters, too.
        adamw_names: patterns (``*`` for anything) of parameter names, within their model part, that use AdamW although
            they have the shape of hidden weights: those that map into or out of the hidden layers. Names of tasks are
            not part of the names.

    Source: Jordan et al., Muon (2024); scaling of updates: Liu et al., arXiv 2502.16982.
    """

    def __init__(
        self,
        lr: Annotated[float, Field(gt=0)] = 1e-3,
        weight_decay: Annotated[float, Field(ge=0)] = 0.1,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        nesterov: bool = True,
        ns_steps: Annotated[int, Field(ge=1)] = 5,
        beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        eps: Annotated[float, Field(gt=0)] = 1e-8,
        decay_all: bool = False,
        adamw_names: list[str] = list(FIRST_AND_LAST),  # noqa: B006 (a schema needs a plain default; it is only read)
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.nesterov = nesterov
        self.ns_steps = ns_steps
        self.betas = (beta1, beta2)
        self.eps = eps
        self.decay_all = decay_all
        self.adamw_names = tuple(adamw_names)

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """Muon, and AdamW unless nothing is left for it.

        Raises:
            ValueError: the model has no trainable parameter, or none that is for Muon.
        """
        hidden, rest = self.split(model)
        if not hidden:
            raise ValueError(
                f"muon finds no hidden weight: every weight of a linear layer is frozen or matches adamw_names "
                f"({', '.join(self.adamw_names)}); shorten that list, or use adamw"
            )
        shapes = matrix_shapes(model)
        muon = OrthogonalMomentum(
            {parameter: shapes[parameter] for parameter in hidden.values()},
            self.lr,
            self.weight_decay,
            self.momentum,
            self.nesterov,
            self.ns_steps,
        )
        return [muon, self._adamw(list(rest.values()))] if rest else [muon]

    def split(self, model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
        """Trainable parameters by name: those for Muon, and those for AdamW."""
        suited = hidden_weights(model)
        every_name = model.named_parameters(remove_duplicate=False)  # a shared weight may have a name that matches
        parts = part_names(model)
        kept = {id(parameter) for name, parameter in every_name if self._for_adamw(in_part(name, parts))}
        hidden: dict[str, nn.Parameter] = {}
        rest: dict[str, nn.Parameter] = {}
        for name, parameter in trainable(model).items():
            suits = id(parameter) in suited and id(parameter) not in kept
            (hidden if suits else rest)[name] = parameter
        return hidden, rest

    def _for_adamw(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.adamw_names)

    def _adamw(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        groups = by_decay(parameters, self.weight_decay, self.decay_all)
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=fused(parameters))


def hidden_weights(model: nn.Module) -> set[int]:
    """Identities of the weights of linear layers, and of parameters that are batches of matrices."""
    linear = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    taps = {id(module.weight) for module in model.modules() if isinstance(module, CONVOLUTIONS)}
    return linear | {id(p) for p in model.parameters() if p.dim() > 2 and not p.is_complex() and id(p) not in taps}


def part_names(model: nn.Module) -> list[str]:
    """Names of the model parts: "encoder", or with several tasks "models.NAME.encoder"."""
    return [name for name, module in model.named_modules() if isinstance(module, PARTS)]


def in_part(name: str, parts: list[str]) -> str:
    """A parameter's name within its model part: what users of other task names see unchanged."""
    return next((name.removeprefix(f"{part}.") for part in parts if name.startswith(f"{part}.")), name)
