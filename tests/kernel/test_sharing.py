"""What loss terms share never costs one of them its gradient, whoever asks first and however."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import Batch, Experiment, LossTerm, Progress, Step
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.step import Memo
from upt_core.training.gradients import check_reach

Tiny = Callable[..., Experiment]
Calls = Any
Ask = Callable[[Step], Tensor]

ASK: dict[str, Ask] = {
    "latent": lambda step: step.latent(),
    "next latent": lambda step: step.latent(1),
    "encoded target": lambda step: step.encoded_target(1, detach=False),
    "fixed target": lambda step: step.encoded_target(1),
    "decoded": lambda step: step.decoded(1),
    "decoded everywhere": lambda step: step.decoded(1, step.all_queries()),
    "reconstructed": lambda step: step.reconstructed(),
}
WITHOUT_GRADIENT: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "plain": nullcontext,
}


class Looks(LossTerm):
    """Looks at something without gradient before it computes the error of the prediction, which it weights by it."""

    def __init__(self, ask: Ask, how: Callable[[], AbstractContextManager[object]]) -> None:
        self.ask, self.how = ask, how

    def __call__(self, step: Step) -> Tensor:
        with self.how():
            seen = self.ask(step).square().mean()
        factor = 1.0 + seen.detach().float().clone()
        return factor * step.mean((step.predicted() - step.target()).square().mean(-1))


class Needs(LossTerm):
    """Needs the gradient of all that can be asked for."""

    def __call__(self, step: Step) -> Tensor:
        return torch.stack([ask(step).square().mean() for ask in ASK.values()]).sum()


@pytest.fixture
def world(tiny: Tiny) -> tuple[LossBundle, Batch]:
    built = tiny().build()
    return built.bundle, built.train[0]


def bundle_of(bundle: LossBundle, terms: list[LossTerm]) -> LossBundle:
    sampler = bundle.terms[0].sampler
    weighted = [WeightedTerm(f"{n}", term, FixedValue(1.0), 1, sampler) for n, term in enumerate(terms)]
    return LossBundle(bundle.model, weighted, bundle.data)


def gradients(bundle: LossBundle, batch: Batch) -> list[Tensor]:
    total = bundle(batch, Progress()).total
    return list(torch.autograd.grad(total, list(bundle.model.parameters())))


@pytest.mark.parametrize("how", WITHOUT_GRADIENT)
@pytest.mark.parametrize("ask", ASK)
def test_a_terms_gradient_does_not_depend_on_who_asked_before(
    world: tuple[LossBundle, Batch], ask: str, how: str
) -> None:
    bundle, batch = world
    terms: list[LossTerm] = [Looks(ASK[ask], WITHOUT_GRADIENT[how]), Needs()]
    alone = [gradients(bundle_of(bundle, [term]), batch) for term in terms]
    expected = [first + second for first, second in zip(*alone, strict=True)]
    for order in permutations(terms):
        found = gradients(bundle_of(bundle, list(order)), batch)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_reach_check_meets_the_terms_together(world: tuple[LossBundle, Batch]) -> None:
    bundle, batch = world
    together = bundle_of(bundle, [Looks(ASK["decoded everywhere"], torch.no_grad), Needs()])
    reached = check_reach(together, batch)
    assert all(set(parts) == {"encoder", "approximator", "decoder"} for parts in reached.values())
    assert reached["1"] == pytest.approx(check_reach(bundle_of(bundle, [Needs()]), batch)["0"], rel=1e-4)


def test_with_gradient_serves_both_and_without_is_shared_among_its_own(tiny: Tiny, calls: Calls) -> None:
    built = tiny().build()
    calls.attach(built)
    step = built.bundle.step(built.train[0], Progress())
    with torch.no_grad():
        first, second = step.latent(1), step.latent(1)
    assert first is second
    assert not first.requires_grad
    assert calls == {"encoder": 1, "approximator": 1}
    assert step.latent(1).requires_grad
    with torch.no_grad():
        assert not step.latent(1).requires_grad
    assert calls == {"encoder": 2, "approximator": 2}
    with torch.inference_mode():
        assert not step.latent(1).is_inference(), "it may still be needed outside"
    assert step.queries() is step.queries()
    assert calls == {"encoder": 2, "approximator": 2}


def test_a_latent_with_gradient_serves_as_a_fixed_target(tiny: Tiny, calls: Calls) -> None:
    built = tiny().build()
    calls.attach(built)
    step = built.bundle.step(built.train[0], Progress())
    assert step.encoded_target(1, detach=False).requires_grad
    assert not step.encoded_target(1).requires_grad
    assert calls == {"encoder": 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda value: value.mul_(2.0), id="in place"),
        pytest.param(lambda value: value.detach_(), id="detach_"),
        pytest.param(lambda value: value[:, 0].zero_(), id="through a view"),
    ],
)
def test_a_shared_tensor_that_a_term_changed_is_refused(
    world: tuple[LossBundle, Batch], change: Callable[[Tensor], Tensor]
) -> None:
    bundle, batch = world
    step = bundle.step(batch, Progress())
    change(step.latent(1))
    with pytest.raises(RuntimeError, match=r"latent at time step 1: a loss term changed this tensor in place, which"):
        step.latent(1)


def test_number_formats_are_kept_apart() -> None:
    layer, memo = torch.nn.Linear(4, 4), Memo()
    value = torch.ones(1, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert memo.tensor(("x",), lambda: layer(value)).dtype == torch.bfloat16
        with torch.autocast("cpu", enabled=False):
            assert memo.tensor(("x",), lambda: layer(value)).dtype == torch.float32
