"""A metric of one field, or of some time steps of a rollout."""

from __future__ import annotations

from torch import Tensor

from upt_core.batch import Batch
from upt_core.kinds import Metric


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

    def remark(self) -> str:
        """That of the metric."""
        return self.metric.remark()


def too_short(steps: tuple[int, int], rollout: int) -> str:
    """What to say of a window that the rollout does not reach."""
    return (
        f"counts the time steps {steps[0]} to {steps[1]}, but rollouts have {rollout}; set validation.rollout to "
        f"{steps[1]} or more, or take an earlier window"
    )
