"""``upt sweep`` from end to end: a table, a picture, pruned and failed trials, several processes, an interrupt."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from upt_core import EndRun
from upt_core.registry.hookspecs import hookimpl
from upt_core.run.metrics_log import read_metrics
from upt_sweep.outcome import named, ranked, rows
from upt_sweep.study import Study, open_study
from upt_sweep.trial import run_trial, suggest
from upt_sweep.workers import _own_device

from .conftest import GRID, RANDOM, Read, Upt, Write


def test_a_sweep_runs_every_point_and_shows_what_came_out(upt: Upt, write: Write) -> None:
    write(GRID)
    result = upt("sweep", "sweeps/s.yaml")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "trial 0 begins: lr 0.001"
    assert lines[1].startswith("trial 0 finished: relative_l2 ")
    assert lines[1].endswith(", the best so far (1 of 2 trials done)")
    assert "Best relative_l2 on the validation split" in lines
    assert "TRIAL              relative_l2   lr      RUN FOLDER" in result.output
    with Path("runs/s/trials.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["relative_l2"]) for row in table] == sorted(float(row["relative_l2"]) for row in table)
    for row in table:
        best = json.loads(Path(row["folder"], "results.json").read_text())["best"]
        assert (row["state"], float(row["relative_l2"])) == ("finished", best["value"])
        config = Path(row["folder"], "config.yaml").read_text()
        assert f"lr: {float(row['trainer.optimizer.lr'])}" in config
    assert Path("runs/s/plots/sweep.png").stat().st_size > 5000
    assert Path("runs/s/plots/sweep-dark.png").is_file()
    again = upt("sweep", "sweeps/s.yaml", "--resume")
    assert again.exit_code == 0
    assert "begins" not in again.output


def test_a_sweep_that_is_there_is_refused(upt: Upt, write: Write, read: Read) -> None:
    open_study(read(GRID), Path("runs/s"), None, False)
    result = upt("sweep", "sweeps/s.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: runs/s: the sweep s was already started; continue it with --resume")


def test_redo_running_goes_with_resume(upt: Upt) -> None:
    result = upt("sweep", "sweeps/s.yaml", "--redo-running")
    assert result.exit_code == 2
    assert "--redo-running needs --resume" in result.stderr


def test_what_another_machine_runs_is_left_to_it_until_it_is_given_up(upt: Upt, write: Write, read: Read) -> None:
    write(GRID)
    study = open_study(read(GRID), Path("runs/s"), None, False)
    study.plan()
    trial = study.claim()
    assert trial is not None
    suggest(study, trial)
    trial.set_user_attr("host", "elsewhere")
    first = upt("sweep", "sweeps/s.yaml", "--resume")
    assert "trial 1 begins: lr 0.01\n" in first.output
    assert "trial 0 begins" not in first.output
    assert "marked as running elsewhere: trial 0; if that machine died: upt sweep … --resume --redo-run" in first.output
    second = upt("sweep", "sweeps/s.yaml", "--resume", "--redo-running")
    assert second.output.startswith("trial 0 was interrupted and runs again\ntrial 2 begins: lr 0.001\n")
    assert "elsewhere" not in second.output
    assert [row.number for row in rows(study)] == [1, 2]


def test_workers_on_several_gpus_see_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    seen = []
    for number in range(3):
        with _own_device(number):
            seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["4", "6", "4"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,6"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with _own_device(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"


def test_a_trial_that_fails_does_not_end_the_sweep(upt: Upt, write: Write) -> None:
    write(GRID.replace("1e-2]", "1e+30]").replace("epochs: 1", "epochs: 2"))
    result = upt("sweep", "sweeps/s.yaml")
    assert result.exit_code == 0
    assert "trial 1 failed: losses.forward: the term became " in result.output
    table = Path("runs/s/trials.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in table[1:]] == ["finished", "failed"]
    assert "losses.forward" in table[2]
    assert "begins" not in upt("sweep", "sweeps/s.yaml", "--resume").output


@pytest.fixture
def median(read: Read) -> Study:
    """A study with the median pruner, whose five finished trials were far better than any can be."""
    study = open_study(read(GRID.replace("epochs: 1", "epochs: 3") + "pruner: median\n"), Path("runs/s"), None, False)
    for _ in range(5):
        good = optuna.trial.create_trial(state=TrialState.COMPLETE, value=1e-9, intermediate_values={1: 1e-9, 2: 1e-9})
        study.study.add_trial(good)
    study.plan()
    return study


def test_a_bad_trial_is_pruned_after_its_first_validation(median: Study) -> None:
    trial = median.claim()
    assert trial is not None
    run_trial(median, trial, suggest(median, trial))
    row = next(row for row in rows(median) if row.number == trial.number)
    assert row.state == "pruned"
    found = [line for line in read_metrics(Path(row.folder)) if line["kind"] == "validation"]
    assert len(found) == 1
    assert row.value == found[0]["relative_l2"]
    assert not Path(row.folder, "results.json").exists()
    assert ranked(median)[-2].number == trial.number, "pruned trials stand below finished ones, above waiting ones"


def test_a_trial_in_its_last_epoch_is_not_pruned(median: Study) -> None:
    trial = median.claim()
    assert trial is not None
    run_trial(median, trial, {**suggest(median, trial), "trainer.epochs": 1})
    assert median.study.trials[trial.number].state == TrialState.COMPLETE


def test_only_the_last_stage_is_reported(read: Read) -> None:
    stages = "stages:\n- {name: a, trainer: {epochs: 2}}\n- {name: b, trainer: {epochs: 1}}\n"
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + stages)
    study = open_study(read(GRID), Path("runs/s"), None, False)
    study.plan()
    trial = study.claim()
    assert trial is not None
    run_trial(study, trial, suggest(study, trial))
    assert list(study.study.trials[0].intermediate_values) == [3]


def test_an_interrupted_trial_is_planned_again(read: Read) -> None:
    study = open_study(read(GRID), Path("runs/s"), None, False)
    study.plan()
    trial = study.claim()
    assert trial is not None
    point = suggest(study, trial)

    class Interrupts:
        @hookimpl
        def epoch_ended(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(study, trial, point, [Interrupts()])
    assert study.study.trials[0].state == TrialState.FAIL
    assert [one.number for one in study.trials()] == [1, 2]
    assert study.study.trials[2].system_attrs["fixed_params"] == trial.params


def test_a_defect_of_upt_is_kept_with_the_trial_and_ends_the_sweep(read: Read) -> None:
    class Defect(EndRun):
        """What ends a run from a listener's place: its usual errors are told and end nothing."""

    class Breaks:
        @hookimpl
        def epoch_ended(self) -> None:
            raise Defect("defect")

    study = open_study(read(GRID), Path("runs/s"), None, False)
    study.plan()
    trial = study.claim()
    assert trial is not None
    with pytest.raises(Defect, match="defect"):
        run_trial(study, trial, suggest(study, trial), [Breaks()])
    assert rows(study)[0].error == "Defect: defect"


def test_a_point_on_one_line() -> None:
    point = {"trainer.optimizer.lr": 0.00123456, "sampler": {"name": "uniform"}, "x": None}
    assert named(point) == "lr 0.001235, sampler {name: uniform}, x null"


@contextmanager
def own_process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep in a process of its own; whatever is left of it at the end is killed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "upt_core", "sweep", "sweeps/s.yaml", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_two_processes_share_the_trials_and_an_interrupt_loses_none(write: Write, read: Read) -> None:
    """Both are interrupted while they train, for as long as it takes; the sweep then goes on where it stood."""
    long = GRID.replace("epochs: 1", "epochs: 100000")
    write(long)
    with own_process("--workers", "2") as process:
        deadline = time.monotonic() + 100
        while not all(Path(f"runs/s/trial-000{i}/metrics.jsonl").is_file() for i in range(2)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted; continue with: upt sweep sweeps/s.yaml --resume\n" in stderr
    assert "Traceback" not in stderr
    study = open_study(read(long), Path("runs/s"), None, True)
    assert [trial.state for trial in study.study.trials] == [TrialState.FAIL] * 2 + [TrialState.WAITING] * 2
    assert {row.state for row in rows(study)} == {"waiting"}


def test_two_processes_find_what_one_finds(upt: Upt, write: Write) -> None:
    write(RANDOM.replace("trials: 3", "trials: 2"))
    one = upt("sweep", "sweeps/s.yaml", "--sweep-dir", "one")
    two = upt("sweep", "sweeps/s.yaml", "--sweep-dir", "two", "--workers", "2")
    assert one.exit_code == two.exit_code == 0, one.output + two.output
    values = [
        sorted(line.split(",")[:3] for line in Path(name, "trials.csv").read_text().splitlines()[1:])
        for name in ("one", "two")
    ]
    assert values[0] == values[1]
    assert len(values[0]) == 2
