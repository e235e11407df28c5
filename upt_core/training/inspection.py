"""Looks at the numbers of a run, and keeps the batch that made them bad."""

from __future__ import annotations

from pathlib import Path

from upt_core.errors import UserError
from upt_core.training.guard import SMALLEST_SCALE, BadNumbersError, Guard, write_inputs
from upt_core.training.saver import in_words
from upt_core.training.whole import Whole

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
                    "fp16: the factor of the loss fell to nothing, because gradients overflow at any; "
                    "use trainer.precision: bf16 or fp32"
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
        batch = self._whole.batches[error.step]
        samples = [] if batch.points.sample_id_B is None else batch.points.sample_id_B.tolist()
        error.add_note(f"the batch: {f'task {batch.task}, ' if batch.task else ''}training samples {samples}")
        kept = len(list(self._run_dir.glob("bad-batch-*.pt")))
        if not self._whole.processes.is_first or kept >= MOST_BATCHES_KEPT:
            return
        try:
            error.add_note(f"its inputs are in {write_inputs(batch, self._run_dir, error.step)}")
        except (OSError, RuntimeError) as failure:
            error.add_note(f"its inputs could not be written: {in_words(failure, self._run_dir)}")
