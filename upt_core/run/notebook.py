"""What a notebook shows while a run goes on: one block that is updated in its place, with bars, losses and metrics."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upt_core import html
from upt_core.figures import count, duration, number
from upt_core.registry.hookspecs import hookimpl

if TYPE_CHECKING:
    from upt_core.progress import Progress
    from upt_core.training.trainer import Trainer

SECONDS = 0.5
"""Between two updates: each is a message that the front end draws, and that no one reads faster."""


def in_kernel() -> bool:
    """Whether this process is the kernel of a notebook; IPython in a terminal is not one."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Args:
        position: epochs done, with the fraction of the current one, of ``epochs``.
        epoch: number of the current one, from 1.
        batch: batches of the current epoch that are done, of ``batches``.
    """

    position: float
    epochs: int
    epoch: int
    batch: int
    batches: int


def standing(trainer: Trainer) -> Standing:
    """How far the run of a trainer is, over all stages."""
    plan, step, batches = trainer.plan, trainer.state.step, trainer.batches.per_epoch
    epochs, position = plan.epochs_of_run or plan.epochs, plan.epochs_before + step / batches
    batch = step % batches if position < epochs else batches
    return Standing(position, epochs, min(int(position) + 1, epochs), batch, batches)


class NotebookBar:
    """Bars of run and epoch, losses, last validation and time left; at the end what was reached.

    Args:
        name: of the run.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None
        self._shown = self._began = 0.0
        self._first = 0.0
        self._folder = Path()
        self._losses: dict[str, float] = {}
        self._metrics: dict[str, float] = {}
        self._best = 0

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Shows the block; a further stage goes on in it."""
        if self._handle is None:
            display: Any = import_module("IPython.display").display  # late: only a kernel has it
            self._folder, self._began, self._first = run_dir, time.perf_counter(), standing(trainer).position
            self._handle = display(self._content(trainer), raw=True, display_id=True)

    @hookimpl
    def step_ended(self, trainer: Trainer, scalars: Mapping[str, float]) -> None:
        """Shows the losses of a step."""
        self._losses = _losses(scalars)
        self._show(trainer)

    @hookimpl
    def validation_ended(self, trainer: Trainer, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Notes the metrics, and the best epoch."""
        self._metrics = dict(metrics)
        if trainer.state.waited == 0:
            self._best = progress.epoch + 1

    @hookimpl
    def epoch_ended(self, trainer: Trainer, scalars: Mapping[str, float]) -> None:
        """Shows the epoch's mean losses."""
        self._losses = _losses(scalars)
        self._show(trainer)

    @hookimpl
    def run_finished(self, trainer: Trainer) -> None:
        """Shows the last state, in any case."""
        self._show(trainer, "done", always=True)

    @hookimpl
    def run_failed(self, trainer: Trainer, error: BaseException) -> None:
        """Says how the run ended; the exception follows."""
        self._show(
            trainer,
            "interrupted" if isinstance(error, KeyboardInterrupt) else f"ended by {type(error).__name__}",
            always=True,
        )

    def _show(self, trainer: Trainer, ended: str = "", always: bool = False) -> None:
        now = time.perf_counter()
        if self._handle is not None and (always or now - self._shown > SECONDS):
            self._handle.update(self._content(trainer, ended), raw=True)
            self._shown = now

    def _content(self, trainer: Trainer, ended: str = "") -> dict[str, str]:
        """The block, and a line for front ends that show no HTML."""
        at = standing(trainer)
        spent = time.perf_counter() - self._began
        if ended or at.position <= self._first:
            clock = f"{ended} after {duration(spent)}" if ended else ""
        else:
            clock = f"{duration(spent / (at.position - self._first) * (at.epochs - at.position))} left"
        rows = [(f"epoch {at.epoch} of {at.epochs}", clock)]
        rows += [("loss", _figures(self._losses))] if self._losses else []
        best = f" (best: epoch {self._best})" if self._best else ""
        rows += [("valid", _figures(self._metrics) + best)] if self._metrics else []
        size = sum(p.numel() for p in trainer.bundle.model.parameters())
        title = f"{self._name}: {count(size)} parameters on {trainer.device}"
        bars = [html.bar(at.position / at.epochs, "run")]
        bars += [] if ended else [html.bar(at.batch / at.batches, f"epoch {at.epoch}")]
        block = html.block(title, *bars, html.described([*rows, ("run folder", str(self._folder))]))
        return {"text/html": block, "text/plain": "; ".join([title, *(" ".join(row).strip() for row in rows)])}


def _losses(scalars: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix("loss/"): value for name, value in scalars.items() if name.startswith("loss/")}


def _figures(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in values.items())
