"""Callbacks that act: they end runs, lower learning rates, and record; and what ``trainer.control`` does for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from upt_callbacks.early_stop import EarlyStop
from upt_callbacks.figures import Watched
from upt_callbacks.reduce_on_plateau import ReduceOnPlateau
from upt_core import Control, Experiment, Trainer, UserError, hookimpl
from upt_core.run.metrics_log import read_metrics

from .test_callbacks import CONFIG

Ask = Callable[[Control], None]


def train(folder: Path, *listeners: object, callbacks: tuple[dict[str, Any], ...] = (), **trainer: Any) -> None:
    settings = {**CONFIG["trainer"], "device": "cpu", **trainer}
    experiment = {**CONFIG, "trainer": settings, "validation": {**CONFIG["validation"], "every": 1}}
    Experiment.from_dict({**experiment, "callbacks": list(callbacks)}).train(folder, listeners=listeners)


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_metrics(folder) if line["kind"] == kind]


class Asks:
    """Asks for something after a number of logged steps."""

    def __init__(self, ask: Ask, at: int = 1) -> None:
        self.ask, self.left = ask, at
        self.saved = 0

    @hookimpl
    def step_ended(self, trainer: Trainer) -> None:
        self.left -= 1
        if self.left == 0:
            self.ask(trainer.control)

    @hookimpl
    def checkpoint_saved(self) -> None:
        self.saved += 1


class TestControl:
    def test_a_run_that_is_stopped_has_its_test_figures_and_stays_stopped(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        train(tmp_path, Asks(lambda control: control.stop("enough"), at=3), batch_size=16, epochs=50)
        assert "remark: training ends at step 3: enough" in capsys.readouterr().err
        assert (tmp_path / "results.json").is_file()
        assert lines(tmp_path, "step")[-1]["step"] == 2
        settings = {**CONFIG["trainer"], "device": "cpu", "batch_size": 16, "epochs": 50}
        Experiment.from_dict({**CONFIG, "trainer": settings}).train(tmp_path, resume=True)
        assert lines(tmp_path, "step")[-1]["step"] == 2

    def test_validations_and_checkpoints_come_when_they_are_asked_for(self, tmp_path: Path) -> None:
        plain, asking = Asks(lambda control: None), Asks(lambda control: (control.validate(), control.checkpoint())[0])
        train(tmp_path / "a", plain, batch_size=16, epochs=1)
        train(tmp_path / "b", asking, batch_size=16, epochs=1)
        assert len(lines(tmp_path / "b", "validation")) == len(lines(tmp_path / "a", "validation")) + 1
        assert asking.saved > plain.saved

    def test_learning_rate_and_weights_are_scaled_on_top_of_their_schedules(self, tmp_path: Path) -> None:
        def ask(control: Control) -> None:
            control.scale_lr(0.25)
            control.scale_weight("forward", 3.0)

        train(tmp_path, Asks(ask, at=2), batch_size=16, epochs=1)
        steps = lines(tmp_path, "step")
        assert [step["lr"] for step in steps[:3]] == pytest.approx([1e-3, 1e-3, 2.5e-4])
        assert [step["weight/forward"] for step in steps[:3]] == [1.0, 1.0, 3.0]

    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (lambda control: control.scale_weight("odd", 2.0), "there is no loss term 'odd'; there are: forward"),
            (lambda control: control.scale_lr(0.0), "scale_lr: the factor must be a positive number; got 0.0"),
            (lambda control: control.stop(""), "control.stop needs a reason"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, ask: Ask, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ask(Control(["forward"]))

    def test_its_state_goes_with_checkpoints(self) -> None:
        control, other = Control(["forward"]), Control(["forward"])
        control.scale_lr(0.5)
        control.scale_weight("forward", 2.0)
        control.stop("enough")
        other.load_state_dict(json.loads(json.dumps(control.state_dict())))
        assert (other.lr_factor, other.weight_factors, other.stopped) == (0.5, {"forward": 2.0}, "enough")


class Told:
    """Stands where a trainer would, for callbacks that only look at its control."""

    def __init__(self) -> None:
        self.control = Control()


def see(callback: EarlyStop | ReduceOnPlateau, values: list[float]) -> Control:
    told: Any = Told()
    for value in values:
        callback.validation_ended(told, {"rmse": value})
        callback.epoch_ended(told, {"rmse": -value})
    return told.control


class TestEarlyStop:
    def test_ends_a_run_that_does_not_improve(self, tmp_path: Path) -> None:
        callback = {"name": "early_stop", "figure": "validation/rmse", "patience": 2}
        train(tmp_path, callbacks=(callback,), epochs=30, lr_schedule=0.0)
        assert len(lines(tmp_path, "epoch")) == 3
        assert (tmp_path / "results.json").is_file()

    @pytest.mark.parametrize(
        ("settings", "values", "stopped"),
        [
            ({"patience": 2}, [3.0, 2.0, 1.0], ""),
            ({"patience": 2}, [3.0, 3.0, 4.0], "early_stop: validation/rmse did not improve over 2 values"),
            ({"patience": 2, "min_change": 0.1}, [3.0, 2.9, 2.8], "early_stop: validation/rmse did not improve"),
            ({"patience": 2}, [3.0, float("nan"), float("inf")], "early_stop: validation/rmse did not improve"),
            ({"patience": 2, "better": "higher"}, [1.0, 2.0, 3.0], ""),
            ({"goal": 1.5}, [2.0, 1.0], "early_stop: validation/rmse is 1, and its goal is 1.5"),
            ({"goal": 1.5, "better": "higher"}, [1.0, 2.0], "early_stop: validation/rmse is 2, and its goal is 1.5"),
        ],
    )
    def test_by_what_it_sees(self, settings: Mapping[str, Any], values: list[float], stopped: str) -> None:
        found = see(EarlyStop("validation/rmse", **settings), values).stopped
        assert found.startswith(stopped) if stopped else found == ""

    def test_what_it_has_seen_goes_with_checkpoints(self) -> None:
        """Else a run that is queued again and again would never be stopped. Two of them do not disturb each other."""
        told: Any = Told()
        first, second = EarlyStop("validation/rmse", patience=3), EarlyStop("validation/rmse", patience=9)
        for value in (1.0, 2.0, 3.0):
            first.validation_ended(told, {"rmse": value})
            second.validation_ended(told, {"rmse": value})
        resumed: Any = Told()
        resumed.control.load_state_dict(json.loads(json.dumps(told.control.state_dict())))
        assert not resumed.control.stopped
        EarlyStop("validation/rmse", patience=3).validation_ended(resumed, {"rmse": 4.0})
        assert resumed.control.stopped == "early_stop: validation/rmse did not improve over 3 values"

    def test_a_figure_that_is_not_there_is_told_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        train(tmp_path, callbacks=({"name": "early_stop", "figure": "validation/rmsee"},), epochs=2)
        told = "EarlyStop (upt-core"
        assert capsys.readouterr().err.count(told) == 1
        assert (tmp_path / "results.json").is_file()
        with pytest.raises(UserError, match=r"there is no figure 'epoch/los'; known: epoch/rmse"):
            see(EarlyStop("epoch/los"), [1.0])

    def test_a_figure_of_no_hook_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"figure must be validation/METRIC or epoch/NAME, .*; got 'rmse'"):
            EarlyStop("rmse")


class TestReduceOnPlateau:
    def test_lowers_the_rate_down_to_its_limit(self) -> None:
        callback = ReduceOnPlateau("validation/rmse", factor=0.1, patience=2, min_factor=0.005)
        assert see(callback, [1.0] * 3).lr_factor == pytest.approx(0.1)
        assert see(callback, [1.0] * 20).lr_factor == pytest.approx(0.01)

    def test_leaves_it_where_the_figure_improves(self) -> None:
        assert see(ReduceOnPlateau("validation/rmse", patience=1), [3.0, 2.0, 1.0]).lr_factor == 1.0


def test_a_change_is_relative_to_the_best_value_also_where_it_is_negative() -> None:
    watched = Watched("lower", 0.1)
    for value in (-1.0, -1.05, -1.2):
        watched.see(value)
    assert (watched.best, watched.waited) == (-1.2, 0)


def test_profiler_leaves_a_trace_and_a_table(tmp_path: Path) -> None:
    train(tmp_path, callbacks=({"name": "profiler", "skip": 1, "steps": 1},), batch_size=16, epochs=1)
    assert json.loads((tmp_path / "profile.json").read_text())["traceEvents"]
    assert "Self CPU" in (tmp_path / "profile.txt").read_text()


def test_gradient_stats_show_which_layers_move(tmp_path: Path) -> None:
    train(tmp_path, callbacks=({"name": "gradient_stats", "every": 1, "depth": 1},), batch_size=16, epochs=1)
    first = json.loads((tmp_path / "gradient_stats.jsonl").read_text().splitlines()[0])
    assert first["layers"].keys() == {"encoder", "approximator", "decoder"}
    assert all(0 < layer["change"] < 1 and layer["weight"] > 0 for layer in first["layers"].values())
