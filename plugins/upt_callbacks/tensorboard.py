"""A run in TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import tensorboard  # type: ignore[import-untyped]  # noqa: F401  says at once where it is missing
from pydantic import PositiveInt

from upt_core import Callback, Progress, hookimpl

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

    from upt_core import RunPictures, Trainer


class TensorBoard(Callback):
    """Writes ``tensorboard/`` in the run folder: every term's raw value and weight, learning rate, gradient, metrics.

    It also has the images of the report: target, prediction and error of some samples of the validation split as
    ``predictions``, and the points of each sampler as ``query_points/…``. They are drawn at the end, and when the run
    writes the files that they need, for at most 2 % of its time.

    Names: ``loss/…``, ``weight/…``, ``lr`` and ``gradient_norm`` for logged steps; ``epoch/loss/…``,
    ``epoch/gradient_share/…`` and speed for epochs; ``validation/…`` for metrics. The horizontal axis is the number of
    batches seen. View it with ``tensorboard --logdir RUN``.

    Args:
        flush_seconds: how often events are written to disk, in seconds; 10 to 120.
        images: whether to write images in addition to the curves.
    """

    def __init__(self, flush_seconds: PositiveInt = 30, images: bool = True) -> None:
        self._flush_seconds = flush_seconds
        self._images = images
        self._pictures: RunPictures | None = None
        self._writer: SummaryWriter | None = None

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Opens the log. A run that is resumed writes a further file, which TensorBoard joins to the first."""
        # Both load matplotlib, which would be most of the time of `upt check`.
        from torch.utils.tensorboard.writer import SummaryWriter

        from upt_core import RunPictures

        self._writer = SummaryWriter(str(run_dir / "tensorboard"), flush_secs=self._flush_seconds)
        self._pictures = RunPictures(run_dir) if self._images else None

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
        self._show(progress.step)

    @hookimpl
    def run_finished(self, trainer: Trainer) -> None:
        """Shows the last pictures, and closes the log."""
        self._show(trainer.progress().step, last=True)
        self._close()

    @hookimpl
    def run_failed(self) -> None:
        """Closes the log."""
        self._close()

    def _add(self, prefix: str, scalars: Mapping[str, float], step: int) -> None:
        assert self._writer is not None, "run_started comes first"
        for name, value in scalars.items():
            self._writer.add_scalar(prefix + name, value, step)

    def _show(self, step: int, last: bool = False) -> None:
        assert self._writer is not None, "run_started comes first"
        for name, figure in self._pictures.new(last) if self._pictures is not None else ():
            self._writer.add_figure(name, figure, step)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
