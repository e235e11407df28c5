"""One cell of the benchmark: one operator on one data set with one seed, trained, judged, and kept as a file."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from upt_bench.quality.between import Between, between
from upt_bench.quality.fourier import fno, tfno, uno
from upt_bench.quality.from_upt import UptTrained, train_upt
from upt_bench.quality.grid_training import GridTrained, train_on_grid
from upt_bench.quality.jax_training import train_by_jax
from upt_bench.quality.judged import Questions, Unseen, judge, judge_finer
from upt_bench.quality.operators import OPERATORS, PLAIN
from upt_bench.quality.tasks import TASKS, Task
from upt_bench.quality.unet import unet
from upt_bench.quality.untrained import Untrained, mean, persistent
from upt_core import Experiment

QUICK = ("trainer.budget.seconds=1.5", "trainer.batch_size=8")
QUIET = (
    "trainer.log_every=1000000",
    "trainer.sampling_share_every=0",
    "trainer.gradient_share_every=0",
    "validation.every=1000000",
    "callbacks=[]",
)
NETWORKS: dict[str, Callable[[Between], nn.Module]] = {"fno": fno, "tfno": tfno, "uno": uno, "unet": unet}
"""Builders of networks on torch, by family."""


@dataclass(frozen=True)
class Cell:
    """What is measured.

    Args:
        task: by name.
        operator: by name.
        seed: of weights, batches and query points.
        data: folder of real data.
        quick: at a small size.
        seconds: another budget; None: the configuration's.
        split: on which trajectories it is judged; "valid" where it is one of several to choose from.
        changes: overrides of the configuration, to compare it with others.
    """

    task: str
    operator: str
    seed: int
    data: Path | None = None
    quick: bool = False
    seconds: float | None = None
    split: Unseen = "test"
    changes: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of its file of results."""
        budget = "" if self.seconds is None else f"-{self.seconds:g}s"
        split = "" if self.split == "test" else f"-{self.split}"
        changed = f"-{hashlib.sha256(repr(self.changes).encode()).hexdigest()[:8]}" if self.changes else ""
        return f"{self.task}-{self.operator}-{self.seed}{budget}{split}{changed}.json"

    def experiment(self, *more: str) -> Experiment:
        """The configuration that all operators of the task share, with what is the operator's own."""
        task, operator = TASKS[self.task], OPERATORS[self.operator]
        overrides = [*task.overrides(self.data), f"seed={self.seed}", *QUIET, *operator.overrides]
        if operator.plain:
            overrides += PLAIN
        if self.quick:
            overrides += [*task.small, *QUICK]
        if self.seconds is not None:
            overrides.append(f"trainer.budget.seconds={self.seconds}")
        return Experiment.from_yaml(task.config(), [*overrides, *self.changes, *more])


def measure(cell: Cell) -> dict[str, Any]:
    """Trains and judges; one thread, processor seconds."""
    torch.set_num_threads(1)
    task, started = TASKS[cell.task], time.process_time()
    experiment = cell.experiment()
    prepared = experiment.prepare()
    trained = _train(cell, task, experiment)
    row: dict[str, Any] = {"task": cell.task, "operator": cell.operator, "seed": cell.seed, "split": cell.split}
    row |= {"changes": list(cell.changes)} if cell.changes else {}
    if trained is None:
        return row
    budget = experiment.plan().budget
    row |= {
        "budget": budget and budget.seconds,
        "parameters": trained.parameters,
        "steps": trained.steps,
        "seconds": round(trained.spent, 2),
    }
    asked = Questions(prepared, cell.split)
    row |= judge(trained, asked)
    if task.finer and not isinstance(trained, Untrained):
        row |= judge_finer(trained, cell.experiment(*task.finer), asked)
    row["peak_mib"] = round(_peak_mib())
    row["seconds_with_judging"] = round(time.process_time() - started, 1)
    return row


def keep(cell: Cell, folder: Path) -> None:
    """Measures, and writes the file at once whole."""
    path = folder / cell.file
    part = path.with_suffix(".part")
    part.write_text(json.dumps(measure(cell)) + "\n", encoding="utf-8")
    part.replace(path)


def _train(cell: Cell, task: Task, experiment: Experiment) -> UptTrained | GridTrained | Untrained | None:
    operator = OPERATORS[cell.operator]
    if operator.family == "upt":
        return train_upt(experiment)
    if operator.on_grid:
        it = between(cell.operator, task, experiment)
        if operator.family in NETWORKS:
            return train_on_grid(experiment, NETWORKS[operator.family](it))
        return train_by_jax(cell.operator, experiment, it)
    prepared = experiment.prepare()
    return persistent(prepared) if operator.family == "persistence" else mean(prepared)


def _peak_mib() -> float:
    """The most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
