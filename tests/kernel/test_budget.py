"""A run with a budget of seconds: where it ends, where the learning rate ends, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upt_core import ConfigError, Experiment, Progress, hookimpl
from upt_core.training import checkpoint
from upt_core.training.budget import Budget

Tiny = Callable[..., Experiment]
SCHEDULE = {"name": "warmup_cosine", "warmup_share": 0.1}


def test_the_schedule_follows_the_larger_share():
    budget, halfway = Budget(8.0), Progress(epoch=2, num_epochs=10, position=2.5)
    assert budget.scheduled(halfway, 6.0).position == 7.5
    assert budget.scheduled(halfway, 1.0).position == 2.5
    assert budget.scheduled(halfway, 100.0).position == 10.0


class Rates:
    """Learning rates and seconds spent, step by step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.spent = 0.0

    @hookimpl
    def step_ended(self, trainer: Any, scalars: dict[str, float]) -> None:
        self.rates.append(scalars["lr"])
        self.spent = trainer.state.spent


def trainer(**more: Any) -> dict[str, Any]:
    return {"epochs": 1000, "log_every": 1, "lr_schedule": SCHEDULE, **more}


@pytest.mark.parametrize("clock", ["process", "wall"])
def test_a_run_ends_with_its_budget_and_so_does_the_learning_rate(tiny, tmp_path, clock):
    seen = Rates()
    tiny(trainer=trainer(budget={"seconds": 0.5, "clock": clock})).train(tmp_path / "run", listeners=[seen])
    state = checkpoint.load(tmp_path / "run/checkpoints/last.pt")["state"]
    assert state["spent"] >= 0.5
    assert state["metrics"]  # it was validated where it ended
    assert seen.spent < 0.5  # the last step began within the budget
    assert len(seen.rates) > 4
    assert seen.rates[-1] < 0.5 * max(seen.rates)  # a cosine over 1000 epochs would still be rising


def test_the_epochs_may_end_a_run_before_its_budget(tiny, tmp_path):
    seen = Rates()
    tiny(trainer=trainer(epochs=2, budget={"seconds": 1e6})).train(tmp_path / "run", listeners=[seen])
    state = checkpoint.load(tmp_path / "run/checkpoints/last.pt")["state"]
    assert 0 < state["spent"] < 1e6
    assert seen.rates[-1] < 0.5 * max(seen.rates)


def test_a_resumed_run_has_what_is_left_of_its_budget(tiny, tmp_path):
    short = tiny(trainer=trainer(budget={"seconds": 0.3, "clock": "process"}))
    short.train(tmp_path / "run")
    before = checkpoint.load(tmp_path / "run/checkpoints/last.pt")["state"]
    short.train(tmp_path / "run", resume=True)
    after = checkpoint.load(tmp_path / "run/checkpoints/last.pt")["state"]
    assert (before["spent"], before["step"]) == (after["spent"], after["step"])


def test_a_budget_of_nothing_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"trainer.budget.seconds: must be greater than 0.0; got 0"):
        tiny(trainer=trainer(budget={"seconds": 0}))
