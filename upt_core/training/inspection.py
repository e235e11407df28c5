"""Looks at the numbers of a run, and keeps the batch that made them bad."""

from __future__ import annotations

from pathlib import Path

import torch

from upt_core.errors import UserError
from upt_core.training.guard import SMALLEST_SCALE, BadNumbersError, Guard, inputs_of
from upt_core.training.whole import Whole
from upt_core.whole_file import in_words

MOST_BATCHES_KEPT = 3
"""Files of bad batches in one run's folder."""


class Inspection:
    """The guard of a run.

    Args:
        whole: whose numbers are looked at.
        guard: keeps the values until then.
        run_dir: the run's folder, for the inputs of bad batches.
    """

    def __init__(self, whole: Whole, guard: Guard, run_dir: Path) -> None:
        self.guard = guard
        self._whole = whole
        self._run_dir = run_dir

    def check(self) -> None:
        """Looks at the numbers that were kept.

        Raises:
            BadNumbersError: one is NaN or infinite; the batch it came from is in a file.
            UserError: fp16 has no factor left with which gradients do not overflow.
        """
        scaler = self._whole.optimization.scaler
        try:
            self.guard.check()
            if scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE:
                raise UserError(
                    "fp16: the loss scale fell to its minimum, because gradients overflow at every scale; use "
                    "trainer.precision: bf16 or fp32"
                )
        except BadNumbersError as error:
            self._keep_inputs(error)
            raise

    def check_weights(self) -> None:
        """Looks at all weights; for before they are saved.

        Raises:
            BadNumbersError: one is NaN or infinite.
        """
        self.guard.check_weights(self._whole.bundle.model, self._whole.state.step)

    def _keep_inputs(self, error: BadNumbersError) -> None:
        """The first process keeps the rows of the process that met them; all come here together."""
        processes = self._whole.processes
        inputs = inputs_of(self._whole.batches[error.step], error.step) if processes.rank == error.rank else None
        if error.rank > 0:
            inputs = processes.to_first(error.rank, inputs)
        if inputs is None or not processes.is_first:
            return
        task, sample_B = inputs["task"], inputs["sample_B"]
        samples = [] if sample_B is None else sample_B.tolist()
        error.add_note(f"the batch: {f'task {task}, ' if task else ''}training samples {samples}")
        if len(list(self._run_dir.glob("bad-batch-*.pt"))) >= MOST_BATCHES_KEPT:
            return
        path = self._run_dir / f"bad-batch-{error.step}.pt"
        try:
            torch.save(inputs, path)
            error.add_note(f"its inputs are in {path}")
        except (OSError, RuntimeError) as failure:
            error.add_note(f"its inputs could not be written: {in_words(failure, self._run_dir)}")
