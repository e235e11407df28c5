"""What a process holds of a divided model, estimated before and measured by every allocation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upt_core import Experiment
from upt_estimate.subject import Subject
from upt_estimate.trial import try_step


def test_the_estimate_of_a_divided_model_is_within_a_tenth_of_the_measured_peak(
    folder: Path, started: Callable[[int, str, Path], Any], memory_scenarios: Any
) -> None:
    config = memory_scenarios.LARGE
    rows = config["trainer"]["batch_size"] // 2
    measured = max(started(2, "sharded_peak", folder))
    assert try_step(Subject(Experiment.from_dict(config)), rows, devices=2).peak == pytest.approx(measured, rel=0.1)
    whole = {**config, "trainer": {**config["trainer"], "strategy": "ddp"}}
    assert try_step(Subject(Experiment.from_dict(whole)), rows, devices=2).peak > 1.4 * measured
