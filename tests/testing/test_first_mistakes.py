"""What one writes first and wrong: a class for an object, an object for a class, another signature, another type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from upt_core import Approximator, Callback, Dataset, DataSpec, FieldSpec, LatentSpec, LossTerm, Optimizer, Step
from upt_core.testing import (
    ConformanceError,
    check_approximator,
    check_callback,
    check_dataset,
    check_decoder,
    check_encoder,
    check_loss,
    check_metric,
    check_optimizer,
    check_sampler,
    check_schedule,
)
from upt_losses.forward import Forward
from upt_metrics.max_error import MaxError
from upt_models.transformer import Transformer
from upt_samplers.uniform import Uniform
from upt_schedules.constant import Constant

SPEC = DataSpec((FieldSpec("u"),), (FieldSpec("u"),), extent=(1.0,), periodic=(True,), grid_shape=(8,))
CLASSES: dict[Callable[..., None], type] = {
    check_callback: Callback,
    check_dataset: Dataset,
    check_loss: Forward,
    check_metric: MaxError,
    check_optimizer: Optimizer,
    check_sampler: Uniform,
    check_schedule: Constant,
}


@pytest.mark.parametrize("check", CLASSES)
def test_a_class_for_an_object(check: Callable[..., None]) -> None:
    name = CLASSES[check].__name__
    with pytest.raises(
        ConformanceError, match=rf"^object: the class {name}\n.*\n    cure: write {name}\(…\), with arg"
    ):
        check(CLASSES[check])


@pytest.mark.parametrize("check", [check_approximator, check_decoder, check_encoder])
def test_a_part_for_its_class(check: Callable[..., None]) -> None:
    part = Transformer(SPEC, LatentSpec(4, 16), depth=1)
    with pytest.raises(
        ConformanceError, match=r"^object: an object of the class Transformer\n.*\n    cure: write Tran"
    ):
        check(part)


class NoCondition(Approximator):
    """Its forward lacks an argument."""

    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__()

    def forward(self, latent_BLD: Tensor) -> Tensor:
        return latent_BLD


class NoLatent(NoCondition):
    """Its constructor lacks an argument."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__(data, LatentSpec(4, 16))


class NoForward(Approximator):
    """It lacks its method."""


class Numpy(NoCondition):
    """It leaves torch."""

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Any:
        return latent_BLD.numpy()


class NoStep(LossTerm):
    """A loss that takes nothing."""

    def __call__(self) -> Tensor:
        raise AssertionError


class OwnFault(LossTerm):
    """A call of its own that fails."""

    def __call__(self, step: Step) -> Tensor:
        return step.mean(3)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("made", [NoLatent, NoCondition])
def test_another_signature_of_a_part(made: type[Approximator]) -> None:
    with pytest.raises(
        ConformanceError,
        match=r"TypeError(.|\n)*cure: give this method the same arguments, in the "
        r"same order, as in its base class",
    ):
        check_approximator(made)


def test_a_method_that_is_missing() -> None:
    with pytest.raises(
        ConformanceError,
        match=r"abstract method forward(.|\n)*cure: implement the abstract methods "
        r"that",
    ):
        check_approximator(NoForward)


def test_another_signature_of_a_term() -> None:
    with pytest.raises(
        ConformanceError,
        match=r"call: TypeError(.|\n)*cure: give this method the same arguments, in "
        r"the same order, as in its",
    ):
        check_loss(NoStep())


def test_a_fault_within_keeps_its_place_and_cure() -> None:
    with pytest.raises(ConformanceError, match=r"test_first_mistakes.py, line \d+\n(.|\n)*cure: handle this case"):
        check_loss(OwnFault())


def test_an_answer_that_is_no_tensor() -> None:
    with pytest.raises(ConformanceError, match=r"^type: a result of type ndarray on (.|\n)*expected: a torch.Tensor"):
        check_approximator(Numpy)


class Wrong(Dataset):
    """A data set of other things."""

    def __init__(self, spec: Any) -> None:
        self.own = spec

    def spec(self) -> DataSpec:
        return self.own

    def trajectories(self, split: str) -> Any:
        return [1, 2, 3]


def test_a_data_set_of_other_things() -> None:
    with pytest.raises(
        ConformanceError, match=r"^spec: spec\(\) gave an object of type NoneType\n    expected: a DataS"
    ):
        check_dataset(Wrong(None))
    with pytest.raises(
        ConformanceError, match=r"^splits: trajectories\('train'\) gave an object of type list(.|\n)*InM"
    ):
        check_dataset(Wrong(SPEC))
