"""What of a run is kept, and how it comes back: its whole state saved, rescued from an error, and returned to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from upt_core.errors import CheckpointError, UserError
from upt_core.interrupt import Interrupted, held_back
from upt_core.remarks import remark
from upt_core.shards import local
from upt_core.training import checkpoint
from upt_core.training.guard import BadNumbersError, all_finite
from upt_core.training.inspection import Inspection
from upt_core.training.means import Means
from upt_core.training.saver import Saver, newest
from upt_core.training.whole import Whole

MOST_REWINDS = 5
"""Returns to one checkpoint before a run ends."""
REWIND_FACTOR = 0.5
"""Of the learning rate, after a return to a checkpoint; without it the same numbers would go bad again."""

Tell = Callable[[Path], None]
"""Is told of each file that is on disk. It is passed at each call: kept, it would keep the trainer in memory."""


@dataclass(frozen=True)
class Mark:
    """How things stood after the last whole step of the optimizers: batches seen, means of the epoch, random state."""

    step: int
    means: Means
    random: dict[str, Any]


class Keeping:
    """Keeps the state of a run.

    Args:
        whole: the state.
        inspection: of its numbers; a state that cannot go on is not kept.
        saver: writes it.
    """

    def __init__(self, whole: Whole, inspection: Inspection, saver: Saver) -> None:
        self._whole = whole
        self._inspection = inspection
        self._saver = saver
        self._mark = Mark(0, Means(), {})
        self._rewound = 0
        self._token = ""

    def begin(self) -> None:
        """Starts the clock of the checkpoints."""
        if self._whole.processes.is_first:
            self._saver.begin(self._whole.state.updates)
        self._token = self._whole.processes.of_first(lambda: uuid4().hex[:8])

    def mark(self) -> None:
        """Notes that a step of the optimizers is whole: an error from now on comes back to here."""
        whole = self._whole
        self._mark = Mark(whole.state.step, whole.means.copy(), checkpoint.random_state(whole.device))
        for bundle in whole.bundle.parts.values():
            bundle.learn()  # after the mark: a sampler of somebody else's that fails here undoes no step

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._saver.due(self._whole.state.updates)

    def save(self, tell: Tell | None = None) -> None:
        """Has the state written; a state that cannot go on is not.

        Args:
            tell: of the files; this waits until they are on disk, and a failure is an error. None: a thread writes them
                beside training.
        """
        self._inspection.check()
        self._inspection.check_weights()
        state = self._whole.state_of_all()
        if self._whole.sharding is None:
            self._whole.processes.of_first(lambda: self._write(state, tell))
            return
        with self._whole.processes.agreed():  # every process writes its parts
            self._write(state, tell)

    def _write(self, state: Mapping[str, Any], tell: Tell | None) -> None:
        self._saver.save(state, self._whole.state.updates)
        self._rewound = 0
        if tell is not None:
            self.finish(tell)

    def keep_best(self) -> None:
        """Keeps the state as the best; it is written with the next checkpoint."""
        self._inspection.check_weights()
        state = self._whole.best_of_all()
        if self._whole.processes.is_first:
            self._saver.keep_best(state)

    def finish(self, tell: Tell) -> None:
        """Returns when all checkpoints are on disk, and tells of their files.

        Raises:
            CheckpointError: the last one could not be written.
        """
        _tell_of(self._saver.finish(), tell)

    def tell_of_written(self, tell: Tell) -> None:
        """Tells of the files that came to be on disk since the last call."""
        _tell_of(self._saver.written(), tell)

    def rescue(self, error: BaseException, tell: Tell) -> None:
        """Saves the state after the last whole step before the run ends with an error, where that state is sound."""
        whole = self._whole
        # A signal's state is saved already, bad numbers are not worth it, and what could not be written cannot be now.
        if isinstance(error, Interrupted | BadNumbersError | CheckpointError):
            return
        # Of several processes the others may be gone, and a state of all would wait for them: the first saves its own,
        # and where the model is divided each its part.
        if whole.processes.several and not whole.processes.is_first and whole.sharding is None:
            return
        if whole.moving:
            remark("the run ended in the middle of a step of the optimizer, so this state is not saved")
            return
        whole.state.step, whole.means = self._mark.step, self._mark.means
        checkpoint.restore_random_state(self._mark.random, whole.device)
        try:
            with held_back():  # whoever started several processes ends the others when one has ended
                if whole.sharding is not None:
                    self._save_own_part()
                elif whole.processes.several:
                    self._save_alone(tell)
                else:
                    self.save(tell)
        except Exception as failure:  # the error that ends the run is the one to be told
            error.add_note(f"and the state could not be saved: {failure}")

    def _save_own_part(self) -> None:
        """Saves what this process has of a divided model, and what only it knows; a part of a state that all save."""
        whole = self._whole
        if not all_finite(local(v) for v in whole.bundle.model.state_dict().values() if v.is_floating_point()):
            return
        path = self._saver.save_own_part(whole.state_dict(), self._token)
        if whole.processes.is_first:
            remark(
                f"each process saves its part of the state after step {whole.state.step} in {path.parent}; if all "
                "succeed, a resume continues from there"
            )

    def _save_alone(self, tell: Tell) -> None:
        """Saves what this process knows: weights, averages and optimizers are those of all after a whole step."""
        whole = self._whole
        if not all_finite(value for value in whole.bundle.model.state_dict().values() if value.is_floating_point()):
            return  # the checkpoint before is the one to go on from
        self._write(whole.state_alone(), tell)
        remark(
            f"the state after step {whole.state.step} is saved only by the first process: the random states (of "
            "dropout) of the other processes and the means of the epoch so far are lost"
        )

    def rewind(self, error: BadNumbersError) -> None:
        """Goes back to the last checkpoint, with a smaller learning rate from there on.

        Raises:
            UserError: it was tried too often.
        """
        whole = self._whole
        self._rewound += 1
        if self._rewound > MOST_REWINDS:
            raise UserError(
                f"training was rewound {MOST_REWINDS} times, and values became NaN or infinite again: {error}"
            ) from error
        found = whole.processes.of_first(self._newest)
        if found is None:
            raise error
        whole.optimization.discard()
        whole.load_state_dict(*found)
        for _ in range(self._rewound):  # the checkpoint brought back the factor of before the first return
            whole.control.scale_lr(REWIND_FACTOR)
        whole.in_effect.load_state_dict(whole.control.state_dict())
        self.mark()
        if whole.processes.is_first:
            factor = whole.control.lr_factor
            remark(f"{error}; continuing from step {whole.state.step} with {factor:g} times the learning rate")

    def _newest(self) -> tuple[dict[str, Any], Path] | None:
        for _ in self._saver.finish():
            pass
        return newest(self._saver.folder)


def _tell_of(files: Iterable[Path], tell: Tell) -> None:
    for path in files:
        tell(path)
