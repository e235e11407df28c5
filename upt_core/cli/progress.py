"""What is seen while a run goes on: bars in a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from upt_core.cli.text import fold_figures, of_notebook
from upt_core.figures import count, duration, number
from upt_core.registry.hookspecs import hookimpl
from upt_core.run.notebook import NotebookBar, in_kernel, standing

if TYPE_CHECKING:
    from upt_core.progress import Progress
    from upt_core.training.trainer import Trainer

WIDE = 80
"""Columns from which on the panel has room for long bars, and for figures side by side."""

NOTEBOOK_LINES = 50
"""Lines of epochs below a notebook's cell: it has no history that scrolls away, and keeps them in its file."""


def display(name: str) -> Lines | Bars | NotebookBar:
    """The display for where output goes."""
    if in_kernel():
        return NotebookBar(name)
    if of_notebook():
        return Lines(name, NOTEBOOK_LINES)
    return Bars(name) if sys.stdout.isatty() else Lines(name)


def losses(scalars: Mapping[str, float]) -> list[tuple[str, float]]:
    """The loss terms among scalars, the total first."""
    return [(name.removeprefix("loss/"), value) for name, value in scalars.items() if name.startswith("loss/")]


def opening(name: str, trainer: Trainer, run_dir: Path) -> str:
    """What is trained, and where it goes."""
    size = sum(p.numel() for p in trainer.bundle.model.parameters())
    samples = trainer.batches.num_samples
    stage = f", stage {trainer.plan.stage}" if trainer.plan.stage else ""
    processes = trainer.processes.size
    devices = str(trainer.device) if processes == 1 else f"{processes} processes on {trainer.device.type}"
    return f"{name}{stage}: {count(size)} parameters, {count(samples)} samples, {devices}; run folder {run_dir}"


def epoch_line(progress: Progress, scalars: Mapping[str, float], validation: str) -> str:
    """An epoch in a line: losses, metrics where they are new, speed."""
    width = len(str(progress.num_epochs))
    parts = [f"epoch {progress.epoch + 1:>{width}}/{progress.num_epochs}"]
    parts += [f"{name} {number(value)}" for name, value in losses(scalars)]
    parts += [validation] if validation else []
    parts.append(f"{duration(scalars['seconds'])}, {count(round(scalars['samples_per_second']))} samples/s")
    return "  ".join(parts)


def validation_part(trainer: Trainer, metrics: Mapping[str, float]) -> str:
    """The metrics of a validation, for the epoch's line."""
    best = " (best)" if trainer.state.waited == 0 else ""
    return "valid: " + ", ".join(f"{name} {number(value)}" for name, value in metrics.items()) + best


class Lines:
    """One plain line an epoch, for files and pipes.

    Args:
        name: of the run.
        most: lines of epochs; of more epochs every second, third and so on is shown, and the last one. None: all are.
    """

    def __init__(self, name: str, most: int | None = None) -> None:
        self._name, self._most = name, most
        self._validation = ""

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Says what is trained."""
        click.echo(opening(self._name, trainer, run_dir))

    @hookimpl
    def validation_ended(self, trainer: Trainer, metrics: Mapping[str, float]) -> None:
        """Notes the metrics for the epoch's line."""
        self._validation = validation_part(trainer, metrics)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """Says the epoch's line."""
        every = 1 if self._most is None else -(-progress.num_epochs // self._most)
        done = progress.epoch + 1
        if done % every == 0 or done == progress.num_epochs:
            click.echo(epoch_line(progress, scalars, self._validation))
            self._validation = ""


class Bars:
    """A panel that stays in place: bars of run and epoch, losses, speed, time left, last validation.

    Each epoch leaves its line above the panel, so that the terminal's history keeps the whole run.
    The panel reads the trainer's counters when it is drawn, four times a second; training itself does nothing for it.
    """

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._name = name
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._trainer: Trainer | None = None
        self._losses: list[tuple[str, float]] = []
        self._seen: deque[tuple[float, int]] = deque(maxlen=120)
        self._best_epoch: int | None = None
        self._validation = ""

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Shows the panel."""
        self._trainer, self._best_epoch = trainer, None
        self._seen.clear()
        self._print(opening(self._name, trainer, run_dir))
        self._live = Live(console=self._console, get_renderable=self._draw, refresh_per_second=4)
        self._live.start()

    @hookimpl
    def step_ended(self, scalars: Mapping[str, float]) -> None:
        """Notes the losses."""
        self._losses = losses(scalars)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """Notes the epoch's mean losses, and leaves its line."""
        self._losses = losses(scalars)
        self._print(epoch_line(progress, scalars, self._validation), style="dim")
        self._validation = ""

    @hookimpl
    def validation_ended(self, trainer: Trainer, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Notes the metrics, and the best epoch."""
        self._validation = validation_part(trainer, metrics)
        if trainer.state.waited == 0:
            self._best_epoch = progress.epoch + 1

    @hookimpl
    def run_finished(self) -> None:
        """Leaves the panel as it is."""
        self._stop()

    @hookimpl
    def run_failed(self) -> None:
        """Leaves the panel, so that the message stands below it."""
        self._stop()

    def _print(self, line: str, style: str | None = None) -> None:
        """Leaves a line in the history, folded between figures where the terminal is narrow."""
        self._console.print(fold_figures(line, self._console.width), soft_wrap=True, style=style)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> RenderableType:
        trainer = self._trainer
        if trainer is None:
            return Text("")
        plan, at = trainer.plan, standing(trainer)
        total, position, epoch, inside, per_epoch = at.epochs, at.position, at.epoch, at.batch, at.batches
        speed = self._steps_per_second(trainer.state.step)
        left = f"{duration((total - position) * per_epoch / speed)} left" if speed and position < total else ""
        if plan.budget is not None:
            left = f"{duration(trainer.state.spent)} of {duration(plan.budget.seconds)}"
        rate = f"{count(round(speed * trainer.batches.num_samples / per_epoch))} samples/s" if speed else ""
        wide = self._console.width >= WIDE
        bars = Table.grid(padding=(0, 2))
        bar = 32 if wide else max(4, self._console.width - 46)
        bars.add_row("run", ProgressBar(total, position, width=bar), f"epoch {epoch}/{total}", left)
        bars.add_row("epoch", ProgressBar(per_epoch, inside, width=bar), f"batch {inside}/{per_epoch}", rate)
        figures = Table.grid(padding=(0, 2))
        figures.add_row("loss", _figures(self._losses, wide))
        if trainer.state.metrics:
            best = f"(best: epoch {self._best_epoch})" if self._best_epoch else ""
            figures.add_row("valid", Text.assemble(_figures(trainer.state.metrics.items(), wide), "  ", (best, "dim")))
        return Group(bars, figures)

    def _steps_per_second(self, step: int) -> float:
        """Speed over the last half minute of drawing."""
        self._seen.append((time.perf_counter(), step))
        (then, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - then) if last > first else 0.0


def _figures(values: Iterable[tuple[str, float]], wide: bool) -> Text:
    """Names and figures in a line, or a line each, so that none is broken in a narrow terminal."""
    return Text("  " if wide else "\n").join(
        Text.assemble((name, "dim"), " ", (number(value), "bold")) for name, value in values
    )
