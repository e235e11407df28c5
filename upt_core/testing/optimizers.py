"""Checks an optimizer against the contract of ``upt_core.Optimizer``; for its author's own tests."""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import Tensor, nn

from upt_core.kinds import Optimizer
from upt_core.testing.failure import answering, require, require_object

Optimizers = list[torch.optim.Optimizer]
_SHAPE = (32, 6)


class _Model(nn.Module):
    """Every sort of parameter that a model has: linear, convolution, norm, learned tokens, and one frozen layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens_LD = nn.Parameter(torch.full((3, 8), 0.1))
        self.embed = nn.Linear(_SHAPE[1], 8)
        self.hidden = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Conv1d(8, 8, 1)
        self.head = nn.Linear(8, 1)
        self.fixed = nn.Linear(8, 8).requires_grad_(False)

    def forward(self, value: Tensor) -> Tensor:
        """One number for each row."""
        hidden = torch.tanh(self.hidden(self.embed(value) + self.tokens_LD.mean(0)))
        mixed = self.mix(self.norm(self.fixed(hidden) + hidden).unsqueeze(-1)).squeeze(-1)
        answer: Tensor = self.head(mixed)
        return answer


def check_optimizer(optimizer: Optimizer, *, steps: int = 30) -> None:
    """Raises unless an optimizer keeps the contract, on a small model with every sort of parameter.

    Checked are: that the torch optimizers together hold every trainable parameter once and no frozen one; that
    building leaves the weights alone; that the loss of a small regression falls; that a run which goes on from
    ``state_dict`` takes the same steps.

    Args:
        optimizer: the optimizer, with a learning rate that suits a small model.
        steps: after which the loss must be lower than at the start.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_object(optimizer)
    model = _model()
    before = copy.deepcopy(model.state_dict())
    built = _build(optimizer, model)
    _check_held(built, model)
    require(
        all(torch.equal(value, before[name]) for name, value in model.state_dict().items()),
        "build",
        "build() changed weights of the model",
        "unchanged weights",
        "initialise nothing there",
    )
    losses = [_train(model, built) for _ in range(steps)]
    require(
        losses[-1] < losses[0],
        "progress",
        f"a loss of {losses[0]:.4g} became {losses[-1]:.4g} in {steps} steps",
        "a lower loss",
        "check that step() updates every group; try a smaller or larger learning rate",
    )
    _check_state(optimizer, model, built)


def _model() -> _Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _Model()


def _build(optimizer: Optimizer, model: nn.Module) -> Optimizers:
    with answering(
        "build",
        "on a model with linear, convolution, norm, embedding and frozen layers",
        "a list of torch optimizers",
        "handle every kind of parameter; raise ValueError only for a model without parameters",
    ):
        built = optimizer.build(model)
    require(
        isinstance(built, list) and bool(built) and all(isinstance(item, torch.optim.Optimizer) for item in built),
        "build",
        f"build() gave {built!r}",
        "a list of one or more torch.optim.Optimizer",
        "return [torch.optim.…(…)]",
    )
    return built


def _check_held(built: Optimizers, model: nn.Module) -> None:
    held = Counter(id(p) for item in built for group in item.param_groups for p in group["params"])
    wrong = []
    for name, parameter in model.named_parameters():
        expected = int(parameter.requires_grad)
        if held[id(parameter)] != expected:
            wrong.append(f"{name} {held[id(parameter)]} times, not {expected}")
    require(
        not wrong,
        "parameters",
        "held are " + "; ".join(wrong),
        "every trainable parameter once, no frozen one",
        "go through model.parameters(), leave out parameters with requires_grad False, and give each of the others to "
        "one optimizer",
    )


def _train(model: nn.Module, built: Optimizers) -> float:
    value = torch.rand(_SHAPE, generator=torch.Generator().manual_seed(0))
    loss = (model(value) - value.sum(dim=1, keepdim=True)).square().mean()
    for item in built:
        item.zero_grad()
    loss.backward()
    for item in built:
        item.step()
    return float(loss.detach())


def _check_state(optimizer: Optimizer, model: nn.Module, built: Optimizers) -> None:
    other = _model()
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    restored = _build(optimizer, other)
    for mine, theirs in zip(restored, built, strict=True):
        mine.load_state_dict(copy.deepcopy(theirs.state_dict()))
    for _ in range(2):
        _train(model, built)
        _train(other, restored)
    own = model.state_dict()
    require(
        all(torch.equal(own[name], value) for name, value in other.state_dict().items()),
        "state",
        "other weights after two steps that continue from state_dict()",
        "the same weights, bit for bit, because a resumed run must equal an uninterrupted one",
        "keep everything that step() remembers in torch's optimizer state",
    )
