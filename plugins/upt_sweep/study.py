"""The trials of a sweep in an Optuna storage: opened, planned in advance, claimed one by one, redone after a crash.

All trials are written into the storage as waiting before the first one runs, so that any number of workers on any
number of machines together make exactly as many runs as were asked for.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from upt_core import UserError
from upt_core.commands import stream_seed
from upt_sweep.file import Sweep
from upt_sweep.point import grid_points
from upt_sweep.space import label

DATABASE = "study.db"
DEFINITION = "definition"
HOST, PID, FOLDER, ERROR, REPLACED = "host", "pid", "folder", "error", "replaced"
"""Attributes of a trial: who runs it, where its run folder is, why it failed, and whether another trial redoes it."""


@dataclass(frozen=True)
class Study:
    """The trials of one sweep.

    Args:
        sweep: what is searched.
        folder: of the runs on this machine.
        study: Optuna's, in its storage.
    """

    sweep: Sweep
    folder: Path
    study: optuna.Study
    storage: optuna.storages.RDBStorage

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states, or in all, without those that another trial replaces."""
        found = self.study.get_trials(deepcopy=False, states=states or None)
        return [trial for trial in found if not trial.user_attrs.get(REPLACED)]

    def claim(self) -> Trial | None:
        """A waiting trial that is now this process's; None where none is left."""
        for waiting in self.trials(TrialState.WAITING):
            number = self._id(waiting)
            if self._is_ours(number, waiting):
                self.study.sampler = self._sampler(waiting.number)
                trial = Trial(self.study, number)
                for name, value in ((HOST, socket.gethostname()), (PID, os.getpid())):
                    trial.set_user_attr(name, value)
                trial.set_user_attr(FOLDER, str(self.run_dir(trial.number).resolve()))
                return trial
        return None

    def run_dir(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.folder / f"trial-{number:04d}"

    def redo(self, trial: FrozenTrial | Trial) -> None:
        """Marks a running trial as failed, and plans another one at the same point."""
        number = self._id(trial)
        self.storage.set_trial_user_attr(number, REPLACED, True)
        self.storage.set_trial_state_values(number, TrialState.FAIL)
        self.study.enqueue_trial(dict(trial.params))

    def interrupted(self, everywhere: bool) -> list[FrozenTrial]:
        """Trials that are marked as running, whose process on this machine is gone.

        Args:
            everywhere: those of other machines too, of which nothing is known.
        """
        here = socket.gethostname()
        return [
            trial
            for trial in self.trials(TrialState.RUNNING)
            if (everywhere and trial.user_attrs.get(HOST) != here)
            or (trial.user_attrs.get(HOST, here) == here and not _alive(trial.user_attrs.get(PID)))
        ]

    def plan(self) -> None:
        """Adds the trials that are missing: all of them at first, the difference where ``trials`` was raised."""
        if self.sweep.settings.search != "grid":
            for _ in range(self.sweep.trials - len(self.trials())):
                self.study.enqueue_trial({})
            return
        there = {label(_planned(trial)) for trial in self.trials()}
        dimensions = {dimension.key: dimension for dimension in self.sweep.dimensions}
        for point in grid_points(self.sweep.dimensions):
            stored = {key: dimensions[key].encoded(value) for key, value in point.items()}
            if label(stored) not in there:
                self.study.enqueue_trial(stored)

    def _id(self, trial: FrozenTrial | Trial) -> int:
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study, trial.number)

    def _is_ours(self, number: int, trial: FrozenTrial) -> bool:
        """Whether this process is the one that has the trial now; SQLite alone lets two of them through."""
        try:
            if not self.storage.set_trial_state_values(number, TrialState.RUNNING):
                return False
            self.run_dir(trial.number).mkdir(parents=True)
        except (optuna.exceptions.UpdateFinishedTrialError, FileExistsError):
            return False
        return True

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The search's algorithm, seeded by the trial's number: the order of workers does not change the points."""
        seed = stream_seed(self.sweep.settings.seed, "sweep", number) % 2**32
        if self.sweep.settings.search == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.RandomSampler(seed=seed)


def open_study(sweep: Sweep, folder: Path, url: str | None, resume: bool | None) -> Study:
    """The study of a sweep.

    Args:
        url: of an Optuna storage; None: SQLite in the folder.
        resume: True: it must be there already; False: it must not; None: it is there, and is joined.

    Raises:
        UserError: there is one and should not be, or the other way round; it is that of another sweep; the storage
            cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if resume and url is None and not (folder / DATABASE).is_file():
        raise UserError(f"{folder}: there is no sweep to continue; leave out --resume, or name its folder")
    folder.mkdir(parents=True, exist_ok=True)
    storage = _storage(folder, url)
    names = [study.study_name for study in optuna.get_all_study_summaries(storage, include_best_trial=False)]
    there = sweep.name in names
    if there and resume is False:
        raise UserError(
            f"{folder}: the sweep {sweep.name} was already started; continue it with --resume, or name another folder"
        )
    if resume and not there:
        raise UserError(f"the storage has no sweep {sweep.name} to continue; leave out --resume")
    if not there and any(folder.glob("trial-*")):
        raise UserError(f"{folder}: contains trials of another sweep; name another folder with --sweep-dir")
    median = sweep.settings.pruner == "median"
    study = optuna.create_study(
        storage=storage,
        study_name=sweep.name,
        direction="minimize" if sweep.lower_is_better else "maximize",
        pruner=optuna.pruners.MedianPruner() if median else optuna.pruners.NopPruner(),
        load_if_exists=there,
    )
    if there:
        _check_definition(study.user_attrs.get(DEFINITION, {}), sweep.definition(), folder)
    else:
        study.set_user_attr(DEFINITION, sweep.definition())
    return Study(sweep, folder, study, storage)


def _storage(folder: Path, url: str | None) -> optuna.storages.RDBStorage:
    sqlite = f"sqlite:///{(folder / DATABASE).resolve()}"
    patient = {"connect_args": {"timeout": 60}} if (url or sqlite).startswith("sqlite") else {"pool_pre_ping": True}
    try:
        return optuna.storages.RDBStorage(url or sqlite, engine_kwargs=patient)
    except (ImportError, ValueError, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--storage: the storage cannot be opened: {reason}; expected the URL of a database, "
            "for example postgresql://user@host/sweeps"
        ) from error


def _check_definition(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    different = list(_different(before, now))
    if different:
        raise UserError(
            f"{folder}: the sweep was started with another {', '.join(different)}; continue with the original file, "
            "or start a sweep in another folder"
        )


def _different(before: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            yield from _different(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif label(before) != label(now):
        yield path


def _planned(trial: FrozenTrial) -> dict[str, Any]:
    """The point of a trial, also of one that still waits."""
    return dict(trial.params) or dict(trial.system_attrs.get("fixed_params", {}))


def _alive(pid: int | None) -> bool:
    """Whether a process of this machine, other than this one, exists."""
    if pid is None or pid == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
