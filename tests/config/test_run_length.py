"""What a run is too short for is said with its place; trials by override and runs read back are let through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from upt_core import ConfigError
from upt_core.config.document import Document, read
from upt_core.config.settings import validate
from upt_core.registry import Registry
from upt_core.run.experiment import Experiment
from upt_core.run.written_config import CONFIG

Check = Callable[..., object]
CURRICULUM = ("weight: 0.5", "weight: {name: curriculum, base: 0.1, warmup_epochs: 9}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (CURRICULUM, r"exp.yaml:10:37: losses.inverse.weight: is 0 in all 2 epochs"),
        (
            ("lr: 1e-3}", "lr: 1e-3}\n  lr_schedule: {name: warmup_cosine, warmup_epochs: 2.5}"),
            r"exp.yaml:14:38: trainer.lr_schedule.warmup_epochs: is 2.5, longer than the run of 2 epochs",
        ),
        (
            ("{name: uniform, num_queries: 8}", "{name: cosine, start_epoch: 2}"),
            r"exp.yaml:7:25: sampler.start_epoch: is 2, but the last of 2 epochs is 1",
        ),
        (
            ("{name: uniform, num_queries: 8}", "{name: cosine, start_epoch: 2, end_epoch: 1}"),
            r"exp.yaml:7:1: sampler: end_epoch \(1\) is before start_epoch \(2\)",
        ),
        (
            ("weight: 0.5", "weight: {name: linear, start: 1, end: 2, start_epoch: 3}"),
            r"losses.inverse.weight.start_epoch: is 3",
        ),
    ],
)
def test_too_short(check: Check, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check(change)
    assert len(caught.value.problems) == 1


def test_defaults_say_nothing_about_the_run(check: Check) -> None:
    check(("{name: uniform, num_queries: 8}", "cosine"))
    check(("lr: 1e-3}", "lr: 1e-3}\n  lr_schedule: warmup_cosine"), ("epochs: 2", "epochs: 1"))


def test_trials_and_runs_are_let_through(tmp_path: Path, experiment: str, registry: Registry) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(experiment.replace(*CURRICULUM).replace("epochs: 2", "epochs: 30"))
    validate(read(path), registry)
    document = read(path, ["trainer.epochs=1"])
    validate(document, registry)
    validate(Document(document.data), registry)
    trained = tmp_path / "run"
    results = Experiment.from_yaml(path, ["trainer.epochs=1", "trainer.batch_size=80"]).train(trained)
    assert "model" in results
    validate(read(trained / CONFIG), registry)


def test_with_stages_each_is_looked_at_by_itself(experiment: str, tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(experiment.replace(*CURRICULUM) + "stages: [{name: long, trainer: {epochs: 30}}]\n")
    Experiment.from_yaml(path)
    path.write_text(experiment.replace(*CURRICULUM) + "stages: [{name: long, trainer: {epochs: 5}}]\n")
    with pytest.raises(ConfigError, match=r"stages.0.losses.inverse.weight: is 0 in all 5 epochs"):
        Experiment.from_yaml(path)
