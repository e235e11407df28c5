"""Trials in a storage: planned in advance, claimed once, redone after a crash, never those of another sweep."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from upt_core.errors import UserError
from upt_sweep.file import Sweep
from upt_sweep.study import DATABASE, Study, open_study
from upt_sweep.trial import suggest

from .conftest import GRID, RANDOM, Read

Points = dict[int, dict[str, Any]]


@pytest.fixture
def planned(read: Read) -> Callable[[str], Study]:
    """A new study of a text, planned."""

    def make(text: str, folder: str = "runs/s") -> Study:
        study = open_study(read(text), Path(folder), None, False)
        study.plan()
        return study

    return make


def take_all(study: Study) -> Points:
    """Claims every trial: number → point."""
    found: Points = {}
    while (trial := study.claim()) is not None:
        found[trial.number] = suggest(study, trial)
    return found


def test_a_grid_is_planned_once_and_claimed_once(planned: Callable[[str], Study]) -> None:
    study = planned(GRID)
    study.plan()
    assert take_all(study) == {0: {"trainer.optimizer.lr": 0.001}, 1: {"trainer.optimizer.lr": 0.01}}
    study.plan()
    assert study.claim() is None
    assert [path.name for path in sorted(study.folder.glob("trial-*"))] == ["trial-0000", "trial-0001"]


def test_a_trial_says_who_runs_it_and_where(planned: Callable[[str], Study]) -> None:
    study = planned(GRID)
    trial = study.claim()
    assert trial is not None
    folder = str(Path("runs/s/trial-0000").resolve())
    assert trial.user_attrs == {"host": socket.gethostname(), "pid": os.getpid(), "folder": folder}


def test_two_workers_that_see_the_same_trial_do_not_both_run_it(planned: Callable[[str], Study]) -> None:
    """SQLite lets both mark it as running; the run folder decides."""
    study = planned(GRID)
    (study.folder / "trial-0000").mkdir()
    trial = study.claim()
    assert trial is not None
    assert trial.number == 1


def test_random_points_do_not_depend_on_who_takes_them(planned: Callable[..., Study], read: Read) -> None:
    one = take_all(planned(RANDOM, "a"))
    second = planned(RANDOM, "b")
    other = open_study(second.sweep, Path("b"), None, None)
    two: Points = {}
    for study in (second, other, second):
        trial = study.claim()
        assert trial is not None
        two[trial.number] = suggest(study, trial)
    assert one == two
    assert len({str(point) for point in one.values()}) == 3
    assert all(8 <= point["trainer.batch_size"] <= 16 for point in one.values())
    assert all(point["sampler"] in (None, {"name": "stratified", "num_queries": 4}) for point in one.values())
    third = take_all(planned(RANDOM + "seed: 1\n", "c"))
    assert one != third


def test_more_trials_are_added_to_those_that_are_there(planned: Callable[[str], Study], read: Read) -> None:
    assert len(take_all(planned(RANDOM))) == 3
    study = open_study(read(RANDOM.replace("trials: 3", "trials: 5")), Path("runs/s"), None, True)
    study.plan()
    assert sorted(take_all(study)) == [3, 4]


@pytest.mark.parametrize("text", [GRID, RANDOM])
def test_an_interrupted_trial_is_redone_at_its_point(text: str, planned: Callable[[str], Study]) -> None:
    study = planned(text)
    points = take_all(study)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    study.storage.set_trial_user_attr(2 if text is RANDOM else 1, "pid", gone.pid)
    found = study.interrupted(False)
    number = found[0].number
    assert len(found) >= 1
    study.redo(found[0])
    assert study.study.trials[number].state == TrialState.FAIL
    study.plan()
    assert take_all(study) == {len(points): points[number]}
    assert len(study.trials()) == len(points)


def test_trials_of_other_machines_are_redone_only_when_asked_for(planned: Callable[[str], Study]) -> None:
    study = planned(GRID)
    trial = study.claim()
    assert trial is not None
    trial.set_user_attr("host", "elsewhere")
    assert study.interrupted(False) == []
    assert [one.number for one in study.interrupted(True)] == [0]


def test_a_trial_of_a_living_process_is_left_alone(planned: Callable[[str], Study]) -> None:
    study = planned(GRID)
    trial = study.claim()
    assert trial is not None
    trial.set_user_attr("pid", os.getppid())
    assert study.interrupted(True) == []


def test_the_direction_is_that_of_the_metric(read: Read) -> None:
    higher = replace(read(GRID), lower_is_better=False)
    assert open_study(higher, Path("a"), None, False).study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert open_study(read(GRID), Path("b"), None, False).study.direction == optuna.study.StudyDirection.MINIMIZE


def test_a_sweep_that_was_begun_wants_resume(planned: Callable[[str], Study], read: Read) -> None:
    planned(GRID)
    with pytest.raises(
        UserError, match="runs/s: the sweep s was already started; continue it with --resume, or name another"
    ):
        open_study(read(GRID), Path("runs/s"), None, False)


def test_run_folders_of_a_sweep_that_is_gone_are_not_written_into(planned: Callable[[str], Study], read: Read) -> None:
    planned(GRID).claim()
    Path("runs/s", DATABASE).unlink()
    with pytest.raises(
        UserError, match="runs/s: contains trials of another sweep; name another folder with --sweep-dir"
    ):
        open_study(read(GRID), Path("runs/s"), None, False)


def test_there_must_be_something_to_resume(read: Read) -> None:
    with pytest.raises(UserError, match="runs/s: there is no sweep to continue; leave out --resume"):
        open_study(read(GRID), Path("runs/s"), None, True)
    assert not Path("runs").exists()
    with pytest.raises(UserError, match="the storage has no sweep s to continue; leave out --resume"):
        open_study(read(GRID), Path("runs/s"), "sqlite:///shared.db", True)


@pytest.mark.parametrize(
    ("before", "now", "different"),
    [
        ("[1e-3, 1e-2]", "[1e-3, 2e-2]", "space.trainer.optimizer.lr.choice"),
        ("trainer.epochs: 1", "trainer.epochs: 2", "experiment.trainer.epochs"),
        ("search: grid", "search: random\ntrials: 2", "search"),
    ],
)
def test_another_sweep_is_not_gone_on_with(
    before: str, now: str, different: str, planned: Callable[[str], Study], read: Read
) -> None:
    planned(GRID)
    with pytest.raises(UserError, match=f"the sweep was started with another {different}; continue with the original"):
        open_study(read(GRID.replace(before, now)), Path("runs/s"), None, True)


@pytest.mark.parametrize("url", ["nonsense", "postgresql+nothing://host/x", "sqlite:////nowhere/at/all.db"])
def test_a_storage_that_cannot_be_opened(url: str, read: Read) -> None:
    with pytest.raises(UserError, match="--storage: the storage cannot be opened: .*; expected the URL of a database"):
        open_study(read(GRID), Path("runs/s"), url, False)


def test_several_machines_share_a_storage(read: Read) -> None:
    """Two folders, as of two machines, on one database: each trial is run once."""
    sweep: Sweep = read(RANDOM)
    first = open_study(sweep, Path("machine1"), "sqlite:///shared.db", False)
    first.plan()
    second = open_study(sweep, Path("machine2"), "sqlite:///shared.db", True)
    second.plan()
    numbers = [trial.number for study in (first, second, first) if (trial := study.claim()) is not None]
    assert sorted(numbers) == [0, 1, 2]
    assert second.claim() is None
    assert not (Path("machine1") / DATABASE).exists()


def test_tpe_learns_from_the_trials_before(read: Read) -> None:
    """Judged by how far the rate is from 1e-3, the last trials lie nearer to it than the first."""
    text = GRID.replace("{choice: [1e-3, 1e-2]}", "{log_uniform: [1e-5, 1e-1]}")
    study = open_study(read(text.replace("search: grid", "search: tpe\ntrials: 30")), Path("runs/s"), None, False)
    study.plan()
    distances = []
    while (trial := study.claim()) is not None:
        distances.append(abs(math.log10(suggest(study, trial)["trainer.optimizer.lr"]) + 3))
        study.study.tell(trial, distances[-1])
    assert len(distances) == 30
    assert sum(distances[20:]) < 0.8 * sum(distances[:10]), "the first ten are random"
