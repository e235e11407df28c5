"""Predictions of the validation split while a run goes on, so that it can be looked at before it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from upt_core.data.loader import Batches
from upt_core.operator.evaluate import Predictor
from upt_core.processes import OtherProcessError, Processes
from upt_core.remarks import remark
from upt_core.run.examples import write_examples
from upt_core.run.pace import Pace
from upt_core.training.measures import Scalars

LATEST = "latest"
"""The files are ``latest.npz``, or ``latest-TASK.npz``; what is in them stands with ``write_examples``."""

FEW = 8
"""Samples among which the examples are chosen; fewer than at the end, for training waits."""


class LatestExamples:
    """Writes examples after validations, the first at once, then for at most 2 % of the time.

    Several processes that train together share the looking; the first says when, and writes. What fails is said once,
    and training goes on: all of them learn of a failure in one.

    Args:
        folder: of the run.
        processes: that train together.
    """

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._folder = folder
        self._processes = processes
        self._pace = Pace(at_once=True)
        self._told = False

    def after(
        self, validate: Callable[[], Scalars], shown: Mapping[str, tuple[Predictor, Batches]], device: torch.device
    ) -> Callable[[], Scalars]:
        """A validation that is followed by examples, by the weights that were validated.

        Args:
            validate: gives the metrics; all processes call it together.
            shown: of each task, what predicts and the batches of its validation split.
        """

        def validate_and_show() -> Scalars:
            metrics = validate()
            if self._processes.of_first(lambda: self._pace.due):
                self._show(shown, device)
            return metrics

        return validate_and_show

    def _show(self, shown: Mapping[str, tuple[Predictor, Batches]], device: torch.device) -> None:
        with self._pace.taking():
            try:
                for task, (predict, batches) in shown.items():
                    write_examples(
                        self._folder,
                        predict,
                        batches,
                        device,
                        task,
                        name=LATEST,
                        split="valid",
                        looked_at=FEW,
                        processes=self._processes,
                    )
            except Exception as error:
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        if self._told or isinstance(error, OtherProcessError):  # the other one tells of it
            return
        self._told = True
        where = f" (process {self._processes.rank})" if self._processes.several else ""
        remark(
            f"example predictions of the run so far could not be written: {type(error).__name__}: {error}{where}; "
            "training continues, and further failures are not reported"
        )
