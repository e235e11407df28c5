"""What the summary at the end of ``upt train`` needs to know of the run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from upt_core.registry.hookspecs import hookimpl

if TYPE_CHECKING:
    from upt_core.progress import Progress
    from upt_core.training.trainer import Trainer


class Record:
    """Listens to a run and keeps its folder, the best epoch (from 1) of its last stage, and its time."""

    def __init__(self) -> None:
        self.run_dir: Path | None = None
        self.monitor = ""
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.trained = False
        self._trainer: Trainer | None = None
        self._started = time.perf_counter()

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Notes the folder, and what is watched; called again for each stage."""
        if self._trainer is None:
            self._started = time.perf_counter()
        self.run_dir, self._trainer, self.monitor = run_dir, trainer, trainer.plan.monitor
        self.trained = False

    @hookimpl
    def validation_ended(self, trainer: Trainer, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Notes the best epoch."""
        if trainer.state.waited == 0:
            self.best, self.best_epoch = trainer.state.best, progress.epoch + 1

    @hookimpl
    def run_finished(self, trainer: Trainer) -> None:
        """Notes that a stage is trained; ``run_started`` of a further stage takes it back."""
        self.trained = True

    @property
    def step(self) -> int:
        """Batches seen so far, in all stages."""
        return self._trainer.plan.steps_before + self._trainer.state.step if self._trainer else 0

    @property
    def epochs(self) -> int:
        """Whole epochs trained, those before a resume included."""
        if self._trainer is None:
            return 0
        return self._trainer.plan.epochs_before + self._trainer.state.step // self._trainer.batches.per_epoch

    @property
    def length(self) -> str:
        """Epochs trained, in words; a run that ended by time or patience may have begun another one."""
        if self._trainer is None or not (beyond := self._trainer.state.step % self._trainer.batches.per_epoch):
            return str(self.epochs)
        return f"{self.epochs}, and {beyond} of {self._trainer.batches.per_epoch} steps of the next"

    @property
    def epoch(self) -> int:
        """The epoch that training stands in, from 1."""
        return self.epochs + 1

    @property
    def seconds(self) -> float:
        """Time since this call of ``upt train`` began to train."""
        return time.perf_counter() - self._started
