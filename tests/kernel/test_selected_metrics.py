"""Metrics of one field, and of a window of a rollout's time steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from upt_core import Batch, ConfigError, Experiment, Metric, Points
from upt_core.operator.selected import SelectedMetric
from upt_metrics.rmse import Rmse

Tiny = Callable[..., Experiment]


def metrics(experiment: Experiment, **entries: Any) -> dict[str, Metric]:
    return experiment.metrics(experiment.prepare().data)


def test_a_field_and_a_window_are_what_the_metric_sees() -> None:
    target = torch.zeros(2, 6, 5, 3)
    prediction = torch.arange(6.0).view(1, 6, 1, 1) * torch.tensor([0.0, 1.0, 10.0])  # wrong by the time step
    batch = Batch(target[:, 0], target, Points(torch.rand(2, 5, 1)))
    figures = []
    for channels, steps in ((slice(1, 2), None), (slice(2, 3), (2, 4)), (None, (1, 1)), (None, (6, 6))):
        metric = SelectedMetric(Rmse(), channels, steps)
        metric.reset()
        metric.update(prediction.expand_as(target), target, batch)
        figures.append(metric.compute())
    assert figures == pytest.approx([2.5, 20.0, 0.0, 55 / 3])


def test_yaml_names_field_and_window(tiny: Tiny) -> None:
    window = {"name": "rmse", "field": "u", "steps": [2, 4]}
    experiment = tiny(validation={"rollout": 4, "metrics": {"late": window}})
    found = experiment.metrics(experiment.prepare().data)["late"]
    assert isinstance(found, SelectedMetric)
    assert (found.channels, found.steps) == (slice(0, 1), (2, 4))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"field": "v"}, r"validation.metrics.m.field: no field is called 'v'; the data set has: u"),
        (
            {"steps": [2, 9]},
            r"compares the time steps 2 to 9, but rollouts have 4; set validation.rollout to 9 or "
            r"more",
        ),
        ({"steps": [3, 2]}, r"validation.metrics.m.steps: \[3, 2\] ends before it begins; swap the two values"),
    ],
)
def test_what_cannot_be_selected_is_refused_before_training(tiny: Tiny, entry: dict[str, Any], message: str) -> None:
    experiment = tiny(validation={"rollout": 4, "metrics": {"m": {"name": "rmse", **entry}}})
    with pytest.raises(ConfigError, match=message):
        experiment.metrics(experiment.prepare().data)


def test_a_shorter_rollout_than_the_window_is_refused() -> None:
    target = torch.zeros(2, 3, 5, 1)
    batch = Batch(target[:, 0], target, Points(torch.rand(2, 5, 1)))
    with pytest.raises(
        ValueError,
        match=r"compares the time steps 2 to 4, but rollouts have 3; set "
        r"validation.rollout",
    ):
        SelectedMetric(Rmse(), None, (2, 4)).update(target, target, batch)
