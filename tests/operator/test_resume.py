"""A run goes on as the experiment that it is, on its own data; what may change takes effect and is written down."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from upt_core import CheckpointError, Progress, hookimpl
from upt_core.config.yaml_text import parse_yaml
from upt_core.interrupt import Interrupted
from upt_core.run.experiment import load_run
from upt_core.run.metrics_log import read_metrics
from upt_core.run.trained import Run

from .conftest import Make, waves, write


def config_of(run: Path) -> dict[str, object]:
    found, _ = parse_yaml((run / "config.yaml").read_text(), "config.yaml")
    return dict(found)


def test_what_may_change_takes_effect_and_is_written(run: Path) -> None:
    changes = ["trainer.epochs=4", "trainer.optimizer.lr=5e-4", "validation.every=2", "trainer.log_every=1"]
    load_run(run, changes).train(run, resume=True)
    trainer = config_of(run)["trainer"]
    assert isinstance(trainer, dict)
    assert (trainer["epochs"], trainer["optimizer"]["lr"]) == (4, 5e-4)
    lines = read_metrics(run)
    assert [line["epoch"] for line in lines if line["kind"] == "epoch"] == [1, 2, 3, 4]
    assert [line["epoch"] for line in lines if line["kind"] == "validation"] == [1, 2, 4]
    assert [line["lr"] for line in lines if line["kind"] == "step" and line["epoch"] > 2] == [5e-4] * 6
    (entry,) = json.loads((run / "changes.json").read_text())
    assert entry["step"] == 6
    assert entry["changes"]["trainer.epochs"] == {"before": 2, "after": 4}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("normalize=none", r'normalize: "standard" in the run, "none" now'),
        ("trainer.optimizer.name=sgd", r"trainer.optimizer: .*adamw"),
        ("validation.monitor=rmse", r'validation.monitor: null in the run, "rmse" now'),
        ("losses.forward.weight=2.0", r"losses.forward.weight: 1.0 in the run, 2.0 now"),
        ("model.decoder.depth=2", r"model.decoder.depth: 1 in the run, 2 now"),
        ("trainer.batch_size=8", r"trainer.batch_size: 16 in the run, 8 now"),
        ("seed=1", r"seed: 0 in the run, 1 now"),
    ],
)
def test_another_experiment_is_refused_with_the_cure(run: Path, override: str, said: str) -> None:
    before = (run / "config.yaml").read_text()
    with pytest.raises(CheckpointError, match=said) as caught:
        load_run(run, [override]).train(run, resume=True)
    assert "start a new run for another experiment; a resume can change: output, callbacks, trainer.epochs" in str(
        caught.value
    )
    assert (run / "config.yaml").read_text() == before
    assert not (run / "changes.json").exists()


def test_fewer_epochs_than_trained_are_refused(run: Path) -> None:
    with pytest.raises(CheckpointError, match="trainer.epochs is 1, but 2 epochs are trained; give 2 or more"):
        load_run(run, ["trainer.epochs=1"]).train(run, resume=True)


def test_patience_that_is_used_up_says_so(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    run = Path("run")
    optimizer = {"name": "adamw", "lr": 5.0}
    make(trainer={"epochs": 8, "optimizer": optimizer}, validation={"patience": 1}).train(run)
    ended = max(line["epoch"] for line in read_metrics(run))
    assert ended < 8
    capfd.readouterr()
    load_run(run, ["trainer.epochs=9"]).train(run, resume=True)
    assert (
        f"patience of 1 ended training after epoch {ended} of 9; raise validation.patience to continue"
        in capfd.readouterr().err
    )


def test_other_values_after_the_first_steps_are_seen(run: Path) -> None:
    u = waves(0)
    u[:, -1] *= 1.01
    write(Path("train.npz"), u)
    with pytest.raises(CheckpointError, match="begin like those of the run, but continue differently"):
        load_run(run, ["trainer.epochs=3"]).train(run, resume=True)


def test_statistics_are_those_of_the_checkpoint(make: Make) -> None:
    """Two epochs at once equal one and one more, bit by bit, with the data's statistics taken from the checkpoint."""
    make(trainer={"epochs": 2}).train(Path("whole"))
    make(trainer={"epochs": 1}).train(Path("halves"))
    shutil.move("train.npz", "moved.npz")
    shutil.copy("moved.npz", "train.npz")
    load_run(Path("halves"), ["trainer.epochs=2"]).train(Path("halves"), resume=True)
    whole, halves = (json.loads(Path(name, "results.json").read_text()) for name in ("whole", "halves"))
    assert whole == halves


class EndsAt:
    """Ctrl-C after a step of the optimizer."""

    def __init__(self, step: int) -> None:
        self.steps = step

    @hookimpl
    def step_ended(self) -> None:
        self.steps -= 1
        if self.steps == 0:
            signal.raise_signal(signal.SIGINT)


def test_the_means_of_an_epoch_that_was_interrupted_cover_all_of_it(make: Make) -> None:
    def epochs(run: str) -> list[tuple[int, float]]:
        return [(line["epoch"], line["loss/total"]) for line in read_metrics(Path(run)) if line["kind"] == "epoch"]

    make(trainer={"log_every": 1}).train(Path("whole"))
    with pytest.raises(Interrupted):
        make(trainer={"log_every": 1}).train(Path("parts"), listeners=[EndsAt(5)])
    load_run(Path("parts")).train(Path("parts"), resume=True)
    assert [epoch for epoch, _ in epochs("whole")] == [1, 2]
    found = dict(epochs("parts"))
    assert found == dict(epochs("whole"))


class Breaks:
    """Ends the program in a later epoch, as a defect would."""

    @hookimpl
    def step_ended(self, progress: Progress) -> None:
        if progress.epoch == 2:
            raise SystemExit(7)


def test_a_finished_run_that_goes_on_is_not_finished(run: Path) -> None:
    assert Run.read(run)["model"]
    with pytest.raises(SystemExit):
        load_run(run, ["trainer.epochs=4", "trainer.log_every=1"]).train(run, resume=True, listeners=[Breaks()])
    with pytest.raises(CheckpointError, match="this run is not finished; continue with"):
        Run.read(run)
    load_run(run).train(run, resume=True)
    assert Run.read(run)["model"]
