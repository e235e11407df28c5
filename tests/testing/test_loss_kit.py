"""``check_loss`` refuses wrong loss terms, and says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from upt_core import DataSpec, LossTerm, Queries, Step
from upt_core.testing import ConformanceError, check_loss


class Term(LossTerm):
    """A term made of a function."""

    def __init__(self, value: Callable[[Step], Tensor], pointwise: bool = True) -> None:
        self.value = value
        self.pointwise = pointwise
        self.calls = 0

    def __call__(self, step: Step) -> Tensor:
        self.calls += 1
        return self.value(step)


def error(step: Step) -> Tensor:
    return (step.predicted(1) - step.target(1)).square().mean(dim=-1)


def right(step: Step) -> Tensor:
    return step.mean(error(step))


def in_place(step: Step) -> Tensor:
    step.batch.target_BTNC.add_(1.0)
    return right(step)


def noisy(step: Step) -> Tensor:
    return right(step) + 0 * torch.rand(())


def reading(step: Step) -> Tensor:
    value = right(step)
    return value if value.item() < 1e9 else value * 0


class Growing(Term):
    def __call__(self, step: Step) -> Tensor:
        self.calls += 1
        return right(step) * self.calls


WRONG: dict[str, tuple[LossTerm, str]] = {
    "of a state at t = 0 that is not declared": (
        Term(lambda step: step.mean((step.predicted(1) - step.reference()).square().mean(dim=-1))),
        r"call: ValueError \(this batch has no fields at t = 0.* needs_reference = True",
    ),
    "per sample": (Term(lambda step: error(step).mean(dim=1)), r"scalar: a tensor of shape \(3,\) on a grid of 16"),
    "a float": (Term(lambda step: 0.5), r"scalar: 0\.5 on a grid of 16 points\n    expected: a tensor without axes"),
    "double": (Term(lambda step: right(step).double()), r"type: torch.float64 on .*\n    expected: torch.float32"),
    "detached": (Term(lambda step: right(step).detach()), r"gradient: the value has no gradient on a grid of 16"),
    "of true fields": (
        Term(lambda step: step.target(1).square().mean() + 0 * right(step)),
        r"reaches parameters: no gradient, or only zeros, at any parameter",
    ),
    "root at zero": (Term(lambda step: right(step).sub(right(step)).sqrt()), r"finite gradient: the gradient of .*enc"),
    "division by zero": (
        Term(lambda step: right(step) / step.target(1).square().mean()),
        r"finite: inf on a grid of 16 points with fields that are 0 everywhere",
    ),
    "in place": (Term(in_place), r"repeatable: .* after|batch: the term changed the batch's fields"),
    "with memory": (Growing(right), r"repeatable: [\d.]+ after [\d.]+ on the same step"),
    "reading": (
        Term(reading),
        r"no waiting: the term reads values on the device on a grid of 16 points: _local_scalar",
    ),
    "root of a mean": (
        Term(lambda step: right(step).sqrt()),
        r"finite gradient: the gradient of .* is not finite on a grid of 16 points where every prediction equals the "
        r"truth",
    ),
    "padding": (
        Term(lambda step: error(step).mean()),
        r"alone: .* of a batch, .* on average over its samples by themselves, without padding, on padded rows of",
    ),
    "over points": (
        Term(lambda step: Queries.all(replace(step.points, measure_BN=None)).mean(error(step))),
        r"space: .* with points of measure 1 to 3, .* with each point repeated that often instead, on 24 scattered "
        r"points",
    ),
    "of the whole batch": (
        Term(lambda step: right(step).square()),
        r"alone: .* of a batch, .* on average over its samples by themselves",
    ),
    "global random state": (Term(noisy), r"global random state: the term advanced it on a grid of 16 points"),
    "fails": (Term(lambda step: step.predicted(1)[..., 5].mean()), r"call: IndexError \(.*\) on a grid of 16 points"),
}


READS: dict[str, tuple[Callable[[Step], object], str]] = {
    "float": (lambda step: float(right(step).detach()), "_local_scalar"),
    "branch": (lambda step: bool(right(step) < 1e9), "_local_scalar|is_nonzero"),
    "text": (lambda step: f"{right(step).detach()}", "_local_scalar|item"),
    "tolist": (lambda step: error(step).tolist(), "tolist"),
    "numpy": (lambda step: error(step).detach().numpy(), "numpy"),
    "an array": (lambda step: np.asarray(error(step).detach()), "__array__|numpy"),
    "cpu": (lambda step: error(step).cpu(), "cpu"),
    "allclose": (lambda step: torch.allclose(step.predicted(1), step.target(1)), "allclose"),
    "equal": (lambda step: torch.equal(step.predicted(1), step.target(1)), "equal"),
    "nonzero": (lambda step: error(step).nonzero(), "nonzero"),
    "a mask": (lambda step: error(step)[error(step) > 0], "index"),
    "unique": (lambda step: error(step).unique(), "_unique2"),
}


@pytest.mark.parametrize("name", READS)
def test_values_read_on_the_host_are_found(name: str) -> None:
    read, operation = READS[name]

    def value(step: Step) -> Tensor:
        read(step)
        return right(step)

    with pytest.raises(ConformanceError, match=rf"no waiting: the term reads values on the device.*(?:{operation})"):
        check_loss(Term(value))


def difference(step: Step) -> Tensor:
    return step.predicted(1) - step.target(1)


UNDEFINED: dict[str, Callable[[Step], Tensor]] = {
    "root of each point": lambda step: step.mean(error(step).sqrt()),
    "power of one half": lambda step: step.mean(error(step)) ** 0.5,
    "power below one": lambda step: step.mean((difference(step).abs() ** 0.7).mean(dim=-1)),
    "logarithm": lambda step: step.mean(difference(step).abs().log().mean(dim=-1)),
    "quotient of two zeros": lambda step: step.mean(error(step) / difference(step).abs().mean(dim=-1)),
    "hidden by where": lambda step: step.mean(torch.where(error(step) == 0, 0.0, error(step).sqrt())),
    "unit vectors": lambda step: step.mean((difference(step) / difference(step).norm(dim=-1, keepdim=True)).sum(-1)),
    "of a reconstruction": lambda step: step.mean((step.reconstructed() - step.input()).square().mean(dim=-1).sqrt()),
}


@pytest.mark.parametrize("name", UNDEFINED)
def test_undefined_gradients_at_the_optimum_are_found(name: str) -> None:
    with pytest.raises(ConformanceError, match=r"finite gradient: .* where every prediction equals the truth"):
        check_loss(Term(UNDEFINED[name]))


@pytest.mark.parametrize("name", WRONG)
def test_wrong_terms_are_refused(name: str) -> None:
    term, message = WRONG[name]
    with pytest.raises(ConformanceError, match=message) as caught:
        check_loss(term)
    assert "\n    cure: " in str(caught.value)


def test_a_square_of_a_mean_is_not_unbiased() -> None:
    def squared_means(step: Step) -> Tensor:
        weight_BQ = step.queries().weight_BQ
        difference_BQ = (step.predicted(1) - step.target(1)).mean(dim=-1)
        return (difference_BQ if weight_BQ is None else difference_BQ * weight_BQ).mean(dim=1).square().mean()

    squared = Term(squared_means)
    check_loss(squared)
    with pytest.raises(ConformanceError, match=r"unbiased: .* over all draws .* at all points"):
        check_loss(squared, unbiased=True)


def test_a_plain_mean_ignores_the_weights() -> None:
    with pytest.raises(
        ConformanceError, match=r"unbiased: .*\n.*\n    cure: take one mean over points, with step.mean"
    ):
        check_loss(Term(lambda step: error(step).mean()), unbiased=True)


def test_a_mean_that_nobody_is_told_of() -> None:
    with pytest.raises(ConformanceError, match=r"reports: nothing was reported to the sampler"):
        check_loss(Term(lambda step: step.queries().mean(error(step))), unbiased=True)


def test_a_term_without_points_declares_nothing() -> None:
    term = Term(lambda step: error(step.using(None)).mean(), pointwise=False)
    with pytest.raises(ConformanceError, match=r"declared: unbiased=True of a term with pointwise = False"):
        check_loss(term, unbiased=True)


def test_an_optimum_elsewhere() -> None:
    term = Term(lambda step: step.mean((step.predicted(1) - 2 * step.target(1)).square().mean(dim=-1)))
    with pytest.raises(
        ConformanceError,
        match=r"optimum: [\d.]+ where every prediction equals the truth, [\d.]+ for "
        r"an untrained model",
    ):
        check_loss(term, optimum=True)


def test_a_term_that_refuses_everything() -> None:
    class Choosy(Term):
        def check_data(self, data: DataSpec) -> None:
            raise ValueError("needs a field called w")

    with pytest.raises(
        ConformanceError, match=r"data: check_data\(\) refuses all data: a grid of 16 .* field called w"
    ):
        check_loss(Choosy(right))


def test_a_right_term_passes() -> None:
    check_loss(Term(right), optimum=True, unbiased=True)
