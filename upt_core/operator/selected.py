"""A metric of one field, or of some time steps of a rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from torch import Tensor

from upt_core.batch import Batch
from upt_core.kinds import Metric

if TYPE_CHECKING:
    from upt_core.specs import DataSpec


class WrongSelection(ValueError):  # noqa: N818  named as the thing that is wrong
    """A metric's field or time steps are not there, or it cannot judge such data.

    Args:
        key: which of these; ``name`` stands for the metric itself.
    """

    def __init__(self, key: Literal["field", "steps", "name"], message: str) -> None:
        super().__init__(message)
        self.key = key


def build_metric(entry: Any, data: DataSpec | None, steps: int) -> Metric:
    """The metric of a validated configuration, of the field and the time steps that it names.

    Args:
        data: what is known of the data set; metrics of one field need it.
        steps: time steps of the rollout.

    Raises:
        WrongSelection: the field is not predicted, the rollout does not reach the time steps, or the metric refuses
            such data.
    """
    metric: Metric = entry.build()
    try:
        if data is not None:
            metric.check_data(data)
    except ValueError as error:
        raise WrongSelection("name", str(error)) from error
    if entry.steps is not None and not entry.steps[0] <= entry.steps[1] <= steps:
        if entry.steps[0] > entry.steps[1]:
            raise WrongSelection("steps", f"{list(entry.steps)} ends before it begins; swap the two values")
        raise WrongSelection("steps", too_short(entry.steps, steps))
    assert data is not None or entry.field is None, "a metric of one field needs the specification of the data"
    try:
        channels = data.channels_of(entry.field, data.targets) if data is not None and entry.field else None
    except ValueError as error:
        raise WrongSelection("field", str(error)) from error
    return metric if channels is None and entry.steps is None else SelectedMetric(metric, channels, entry.steps)


class SelectedMetric(Metric):
    """Hands a metric the channels of one field and a window of time steps.

    Args:
        metric: is given what is selected.
        channels: among the target channels; None: all.
        steps: first and last time step of the rollout, counted from 1, both included; None: all.
    """

    def __init__(self, metric: Metric, channels: slice | None, steps: tuple[int, int] | None) -> None:
        self.metric = metric
        self.channels = channels or slice(None)
        self.steps = steps

    def check_data(self, data: DataSpec) -> None:
        """As the metric does."""
        self.metric.check_data(data)

    def reset(self) -> None:
        """Forgets what was seen."""
        self.metric.reset()

    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        """Adds what is selected of a batch.

        Raises:
            ValueError: the rollout ends before the last time step.
        """
        times = slice(None)
        if self.steps is not None:
            first, last = self.steps
            if last > target_BTNC.shape[1]:
                raise ValueError(too_short(self.steps, target_BTNC.shape[1]))
            times = slice(first - 1, last)
        self.metric.update(prediction_BTNC[:, times, :, self.channels], target_BTNC[:, times, :, self.channels], batch)

    def compute(self) -> float:
        """The figure of what is selected."""
        return self.metric.compute()

    def by_sample(self) -> Tensor | None:
        """Those of the metric."""
        return self.metric.by_sample()

    def merge(self, other: Self) -> None:
        """As the metric does."""
        self.metric.merge(other.metric)

    @property
    def mergeable(self) -> bool:
        """Whether the metric is."""
        return self.metric.mergeable

    def remark(self) -> str:
        """That of the metric."""
        return self.metric.remark()


def too_short(steps: tuple[int, int], rollout: int) -> str:
    """What to say of a window that the rollout does not reach."""
    return (
        f"compares the time steps {steps[0]} to {steps[1]}, but rollouts have {rollout}; set validation.rollout to "
        f"{steps[1]} or more, or choose earlier steps"
    )
