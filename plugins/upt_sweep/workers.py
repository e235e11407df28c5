"""Runs the trials of a sweep: in this process, or in several at once."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path

import click
import torch
from optuna.trial import TrialState

from upt_core import UserError
from upt_sweep.file import Sweep, read_sweep
from upt_sweep.outcome import ending, named
from upt_sweep.study import Study, open_study
from upt_sweep.trial import run_trial, suggest


@dataclass(frozen=True)
class Job:
    """What a worker needs to know, as plain data: it goes to another process."""

    sweep: Path
    folder: Path
    storage: str | None
    threads: int


def run_sweep(
    sweep: Sweep,
    folder: Path | None = None,
    storage: str | None = None,
    workers: int = 1,
    resume: bool = False,
    redo_running: bool = False,
) -> Study:
    """Runs the trials that are not finished yet.

    Args:
        folder: of the runs; None: a folder with the sweep's name in the experiment's ``output``.
        storage: URL of an Optuna storage; None: SQLite in the folder.
        workers: processes.
        resume: go on with a sweep that was begun.
        redo_running: redo the trials that other machines are marked as running, too.

    Raises:
        UserError: the sweep cannot begin, or a worker ended before its time.
        KeyboardInterrupt: interrupted; trials that were running are planned again.
    """
    folder = folder or sweep.output / sweep.name
    study = open_study(sweep, folder, storage, resume)
    for trial in study.interrupted(redo_running) if resume else ():
        click.echo(f"trial {trial.number} was interrupted and runs again")
        study.redo(trial)
    study.plan()
    waiting = len(study.trials(TrialState.WAITING))
    workers = min(workers, waiting)
    if workers > 1:
        threads = max(1, torch.get_num_threads() // workers)
        _run_processes(Job(sweep.path, folder, storage, threads), workers)
    else:
        _run_here(study)
    return study


def _run_here(study: Study, wanted: Callable[[], bool] = lambda: True) -> None:
    """Trials one after the other until none is waiting, or no more are wanted."""
    while wanted() and (trial := study.claim()) is not None:
        point = suggest(study, trial)
        click.echo(f"trial {trial.number} begins: {named(point)}")
        run_trial(study, trial, point)
        click.echo(ending(study, trial.number))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _work(job: Job) -> None:
    """A worker process. It hears of an interrupt only from its parent, and stops when that is gone."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    torch.set_num_threads(job.threads)
    parent = os.getppid()
    try:
        study = open_study(read_sweep(job.sweep), job.folder, job.storage, None)
        _run_here(study, lambda: os.getppid() == parent)
    except KeyboardInterrupt:
        return
    except UserError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def _run_processes(job: Job, workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for number in range(workers):
            processes.append(context.Process(target=_work, args=(job,)))
            with _own_device(number):
                processes[-1].start()
        for process in processes:
            process.join()
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()  # the trainer ends after its step, and the trial is planned again
        for process in processes:
            process.join()
        signal.signal(signal.SIGTERM, before)
    failed = [process for process in processes if process.exitcode]
    if failed:
        codes = ", ".join(str(process.exitcode) for process in failed)
        raise UserError(
            f"{len(failed)} of {workers} workers ended early (exit code {codes}); their messages are above; continue "
            "with --resume"
        )


@contextmanager
def _own_device(number: int) -> Iterator[None]:
    """Where there are several GPUs, a process that starts inside sees one of them."""
    name = "CUDA_VISIBLE_DEVICES"
    before = os.environ.get(name)
    visible = before.split(",") if before else [str(i) for i in range(torch.cuda.device_count())]
    if len(visible) > 1:
        os.environ[name] = visible[number % len(visible)]
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
