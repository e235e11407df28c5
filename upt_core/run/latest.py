"""Predictions of the validation split while a run goes on, so that it can be looked at before it ends."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from upt_core.data.loader import Batches
from upt_core.operator.evaluate import Predictor
from upt_core.registry.hookspecs import hookimpl
from upt_core.run.examples import write_examples
from upt_core.run.pace import Pace

if TYPE_CHECKING:
    from upt_core.training.trainer import Trainer

LATEST = "latest"
"""The files are ``latest.npz``, or ``latest-TASK.npz``; what is in them stands with ``write_examples``."""

FEW = 8
"""Samples among which the examples are chosen; fewer than at the end, for training waits."""


class LatestExamples:
    """Writes examples after validations, the first at once, then for at most 2 % of the time.

    Where several processes train together nothing is written: the others would wait for the first.

    Attributes:
        shown: of each task, what predicts and the batches of its validation split; set for each stage.
    """

    def __init__(self) -> None:
        self.shown: dict[str, tuple[Predictor, Batches]] = {}
        self._run_dir = Path()
        self._pace = Pace(at_once=True)

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Notes the folder."""
        self._run_dir = run_dir

    @hookimpl
    def validation_ended(self, trainer: Trainer) -> None:
        """Predictions by the weights that were validated."""
        if trainer.processes.several or not self._pace.due:
            return
        with self._pace.taking(), nullcontext() if trainer.ema is None else trainer.ema.applied():
            for task, (predict, batches) in self.shown.items():
                write_examples(
                    self._run_dir, predict, batches, trainer.device, task, name=LATEST, split="valid", looked_at=FEW
                )
