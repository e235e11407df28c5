"""A run in TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from upt_core import Callback, Progress, hookimpl


class TensorBoard(Callback):
    """Writes ``tensorboard/`` in the run folder: every term's raw value and weight, learning rate, gradient, metrics.

    Names: ``loss/…``, ``weight/…``, ``lr`` and ``gradient_norm`` for logged steps; ``epoch/loss/…``,
    ``epoch/gradient_share/…`` and speed for epochs; ``validation/…`` for metrics. The horizontal axis is the number of
    batches seen. Look at it with ``tensorboard --logdir RUN``.

    Args:
        flush_seconds: how often events are written to disk, in seconds; 10 to 120.

    Raises:
        ValueError: ``flush_seconds`` is below 1.
    """

    def __init__(self, flush_seconds: int = 30) -> None:
        if flush_seconds < 1:
            raise ValueError(f"flush_seconds must be at least 1; got {flush_seconds}")
        self._flush_seconds = flush_seconds
        self._writer: SummaryWriter | None = None

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Opens the log. A run that is resumed writes a further file, which TensorBoard joins to the first."""
        self._writer = SummaryWriter(str(run_dir / "tensorboard"), flush_secs=self._flush_seconds)

    @hookimpl
    def step_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """A logged step of the optimizers."""
        self._add("", scalars, progress.step)

    @hookimpl
    def validation_ended(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """The metrics of the validation split."""
        self._add("validation/", metrics, progress.step)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """The means of an epoch."""
        self._add("epoch/", scalars, progress.step)

    @hookimpl
    def run_finished(self) -> None:
        """Closes the log."""
        self._close()

    @hookimpl
    def run_failed(self) -> None:
        """Closes the log."""
        self._close()

    def _add(self, prefix: str, scalars: Mapping[str, float], step: int) -> None:
        assert self._writer is not None, "run_started comes first"
        for name, value in scalars.items():
            self._writer.add_scalar(prefix + name, value, step)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
