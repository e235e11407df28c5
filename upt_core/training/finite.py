"""Losses that become NaN or infinite end the run, with the name of the term."""

from __future__ import annotations

import math
from pathlib import Path

from torch import Tensor

from upt_core.errors import UserError
from upt_core.loss_bundle import Losses
from upt_core.processes import ALONE, Processes


class FiniteCheck:
    """Keeps the terms' values until they are looked at, for which the host waits for the device.

    Args:
        per_epoch: batches of an epoch, for the message.
        checkpoints: named in the message.
        processes: that train together; what one finds ends all.
    """

    def __init__(self, per_epoch: int, checkpoints: Path, processes: Processes = ALONE) -> None:
        self._per_epoch = per_epoch
        self._checkpoints = checkpoints
        self._processes = processes
        self._unchecked: list[tuple[int, dict[str, Tensor]]] = []

    def note(self, step: int, losses: Losses) -> None:
        """Keeps the values of a step."""
        self._unchecked.append((step, {name: value.detach() for name, value in losses.values.items()}))

    def check(self) -> None:
        """Looks at all that was kept.

        Raises:
            UserError: a term became NaN or infinite, in this process or another; it names the first.
        """
        found = self._problem()
        if not self._processes.any(found is not None):
            return
        for rank, problem in enumerate(self._processes.of_all(found)):
            if problem is not None:
                raise UserError(f"{problem}{f' (process {rank})' if self._processes.several else ''}")

    def _problem(self) -> str | None:
        unchecked, self._unchecked = self._unchecked, []
        for step, values in unchecked:
            for name, value in values.items():
                if not math.isfinite(float(value)):
                    return (
                        f"losses.{name}: the term became {float(value)} at step {step} "
                        f"(epoch {step // self._per_epoch}); "
                        f"lower trainer.optimizer.lr or the term's weight, set trainer.clip_norm, or use fp32; "
                        f"the last good checkpoint is in {self._checkpoints}"
                    )
        return None
