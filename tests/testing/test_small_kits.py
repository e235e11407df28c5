"""``check_schedule``, ``check_metric``, ``check_optimizer`` and ``check_callback`` refuse wrong plugins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from upt_core import Batch, Callback, Metric, Optimizer, Progress, Schedule, hookimpl
from upt_core.testing import ConformanceError, check_callback, check_metric, check_optimizer, check_schedule


class Value(Schedule):
    """A schedule made of a function."""

    def __init__(self, value: Callable[[Progress], Any]) -> None:
        self.value = value
        self.calls = 0

    def __call__(self, progress: Progress) -> float:
        self.calls += 1
        return self.value(progress)


class Counter(Value):
    def __call__(self, progress: Progress) -> float:
        self.calls += 1
        return self.calls / 100


SCHEDULES: dict[str, tuple[Schedule, str]] = {
    "tensor": (Value(lambda p: torch.tensor(0.5)), r"number: tensor\(0.5000\) of type Tensor at Progress\(epoch=0"),
    "zero division": (Value(lambda p: 1 / (p.num_epochs - 1)), r"call: ZeroDivisionError \(.*\) at .*num_epochs=1"),
    "NaN": (Value(lambda p: float("nan")), r"number: nan of type float"),
    "counter": (Counter(float), r"pure function: other values when the same progress is passed a second time"),
    "rank": (Value(lambda p: float(p.rank)), r"rank: another value in the process of rank 1"),
    "unbounded": (Value(lambda p: p.position), r"bounds: \d[\d.]* at .*\n    expected: a value from 0 to 1"),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_wrong_schedules_are_refused(name: str) -> None:
    schedule, message = SCHEDULES[name]
    with pytest.raises(ConformanceError, match=message):
        check_schedule(schedule, low=0, high=1)


def test_a_right_schedule_passes() -> None:
    check_schedule(Value(lambda p: min(1.0, p.position / p.num_epochs)), low=0, high=1)


class MeanDifference(Metric):
    """A right metric: the mean absolute error over samples."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        error_BTN = (prediction_BTNC - target_BTNC).abs().mean(dim=-1)
        if batch.points.density_BN is not None:
            error_BTN = error_BTN * batch.points.density_BN.unsqueeze(1)
        self.total += float(error_BTN.mean(dim=(1, 2)).sum())
        self.count += len(prediction_BTNC)

    def compute(self) -> float:
        return self.total / self.count


class MeanOfBatches(MeanDifference):
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        self.total += float((prediction_BTNC - target_BTNC).abs().mean())
        self.count += 1


class Unmasked(MeanDifference):
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        self.total += float((prediction_BTNC - target_BTNC).abs().mean(dim=(1, 2, 3)).sum())
        self.count += len(prediction_BTNC)


class OverPoints(MeanDifference):
    """Counts small cells as much as large ones."""

    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        super().update(prediction_BTNC, target_BTNC, replace(batch, points=replace(batch.points, measure_BN=None)))


class Wide(MeanDifference):
    """Divides by the width of the batch instead of the number of real points."""

    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        error_BTNC = (prediction_BTNC - target_BTNC).abs()
        if batch.points.mask_BN is not None:
            error_BTNC = error_BTNC * batch.points.mask_BN[:, None, :, None]
        self.total += float(error_BTNC.mean(dim=(1, 2, 3)).sum())
        self.count += len(prediction_BTNC)


class Remembering(MeanDifference):
    def reset(self) -> None:
        self.total, self.count = getattr(self, "total", 0.0), 0


class AsTensor(MeanDifference):
    def compute(self) -> float:
        return torch.tensor(super().compute())  # type: ignore[return-value]


class Upwards(MeanDifference):
    lower_is_better: ClassVar[bool] = False


class OverTimes(MeanDifference):
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        prediction_BTNC.sub_(target_BTNC)
        super().update(prediction_BTNC, target_BTNC * 0, batch)


class OtherSamples(MeanDifference):
    """Its figures of samples are not what the figure is the mean of."""

    def by_sample(self) -> Tensor:
        return torch.full((self.count,), 2 * self.compute())


class Merging(MeanDifference):
    """A right one that several processes can share."""

    def merge(self, other: Metric) -> None:
        assert isinstance(other, MeanDifference)
        self.total, self.count = self.total + other.total, self.count + other.count


class MergingHalf(MeanDifference):
    """Forgets how many samples the other has seen."""

    def merge(self, other: Metric) -> None:
        assert isinstance(other, MeanDifference)
        self.total, self.count = self.total + other.total, max(1, self.count)


class NotSent(Merging):
    """Keeps what cannot be pickled."""

    def reset(self) -> None:
        super().reset()
        self.scale = lambda value: value


class Refusing(MeanDifference):
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        raise ValueError("needs five axes")


class Failing(MeanDifference):
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        prediction_BTNC[..., 7]


METRICS: dict[type[Metric], str] = {
    OverPoints: r"space: [\d.]+ with points of measure 1 to 3, [\d.]+ with each point repeated that often instead, on "
    r"24 scat",
    Wide: r"padding: [\d.]+ for a padded sample, [\d.]+ for the same without padding, on padded rows",
    MeanOfBatches: r"batches: [\d.]+ in batches of 3, 2 samples, [\d.]+ in one, on a grid of 16 points",
    Unmasked: r"padding: .* when predictions at padding change, on padded rows",
    Remembering: r"batches|reset: .* reset\(\) forgets",
    AsTensor: r"number: compute\(\) gave tensor\(.*\) of type Tensor",
    Upwards: r"direction: 0 for perfect predictions, [\d.]+ for wrong ones.*\n.*lower_is_better is False",
    OverTimes: r"arguments: update\(\) changed prediction or target",
    OtherSamples: r"samples: by_sample\(\) gave \(5,\) figures with the mean [\d.]+ of 5 samples; compute\(\) gave",
    MergingHalf: r"merge: [\d.]+ from three metrics that have seen 2, 1 and 2 samples, [\d.]+ from one that has seen "
    r"all, on a",
    NotSent: r"merge: .* when three metrics that have seen 2, 1 and 2 samples are sent and merged, on a grid of 16",
    Refusing: r"points: update\(\) refuses all points: a grid of 16 points: needs five axes",
    Failing: r"update: IndexError \(.*\) on a grid of 16 points",
}


@pytest.mark.parametrize("cls", METRICS, ids=lambda cls: cls.__name__)
def test_wrong_metrics_are_refused(cls: type[Metric]) -> None:
    with pytest.raises(ConformanceError, match=METRICS[cls]):
        check_metric(cls())


def test_a_metric_is_compared_with_its_reference() -> None:
    check_metric(Merging(), lambda prediction, target: float((prediction - target).abs().double().mean()))
    check_metric(MeanDifference(), lambda prediction, target: float((prediction - target).abs().double().mean()))
    with pytest.raises(NotImplementedError, match="MeanDifference has no merge"):
        MeanDifference().merge(MeanDifference())
    with pytest.raises(
        ConformanceError, match=r"reference: 0\.\d+ on a grid of 16 points\n    expected: 0\.\d+, which"
    ):
        check_metric(MeanDifference(), lambda prediction, target: float((prediction - target).square().mean()))


class Made(Optimizer):
    """An optimizer made of a function."""

    def __init__(self, make: Callable[[nn.Module], Any]) -> None:
        self.make = make

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        result: list[torch.optim.Optimizer] = self.make(model)
        return result


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class Sign(torch.optim.SGD):
    """Keeps how often it stepped outside its state."""

    steps = 0

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.steps += 1
        for group in self.param_groups:
            group["lr"] = 0.02 / self.steps
        super().step()


def zeroed(model: nn.Module) -> list[torch.optim.Optimizer]:
    with torch.no_grad():
        trainable(model)[0].zero_()
    return [torch.optim.SGD(trainable(model), lr=0.01)]


OPTIMIZERS: dict[str, tuple[Optimizer, str]] = {
    "all of them": (
        Made(lambda model: [torch.optim.SGD(model.parameters(), lr=0.01)]),
        r"parameters: held are fixed.weight 1 times, not 0; fixed.bias 1 times, not 0",
    ),
    "matrices": (
        Made(lambda model: [torch.optim.SGD([p for p in trainable(model) if p.dim() == 2], lr=0.01)]),
        r"parameters: held are embed.bias 0 times, not 1; hidden.bias 0 times",
    ),
    "no list": (Made(lambda model: torch.optim.SGD(trainable(model), lr=0.01)), r"build: build\(\) gave SGD \("),
    "fails": (Made(lambda model: [][0]), r"build: IndexError \(list index out of range\) on a model with linear"),
    "initialises": (Made(zeroed), r"build: build\(\) changed weights of the model"),
    "uphill": (
        Made(lambda model: [torch.optim.SGD(trainable(model), lr=0.01, maximize=True)]),
        r"progress: a loss of [\d.]+ became [\d.e+naif]+ in 30 steps\n    expected: a lower loss",
    ),
    "forgetful": (
        Made(lambda model: [Sign(trainable(model), lr=0.02)]),
        r"state: other weights after two steps that continue from state_dict\(\)",
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_wrong_optimizers_are_refused(name: str) -> None:
    optimizer, message = OPTIMIZERS[name]
    with pytest.raises(ConformanceError, match=message):
        check_optimizer(optimizer)


def test_a_right_optimizer_passes() -> None:
    check_optimizer(Made(lambda model: [torch.optim.SGD(trainable(model), lr=0.01, momentum=0.9)]))


class Deaf(Callback):
    def stepped(self) -> None: ...


class Unmarked(Callback):
    def run_started(self, run_dir: Any) -> None: ...


class Misspelt(Callback):
    @hookimpl
    def run_start(self, run_dir: Any) -> None: ...


class OtherArguments(Callback):
    @hookimpl
    def step_ended(self, loss: float) -> None: ...


class Right(Callback):
    @hookimpl
    def step_ended(self, scalars: Any) -> None: ...


CALLBACKS: dict[type[Callback], str] = {
    Deaf: r"hooks: Deaf implements no hook\n    expected: at least one of: checkpoint_saved, epoch_ended",
    Unmarked: r"marks: run_started is not marked, so it would never be called",
    Misspelt: r"hooks: unknown hook 'run_start'",
    OtherArguments: r"hooks: .*OtherArguments for hook .step_ended.* Argument\(s\) .*loss",
}


@pytest.mark.parametrize("cls", CALLBACKS, ids=lambda cls: cls.__name__)
def test_wrong_callbacks_are_refused(cls: type[Callback]) -> None:
    with pytest.raises(ConformanceError, match=CALLBACKS[cls]):
        check_callback(cls())


def test_a_right_callback_passes() -> None:
    check_callback(Right())
