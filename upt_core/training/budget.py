"""A run's length in seconds: how much of it is spent, and where the learning rate stands by it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

from upt_core.progress import Progress

Clock = Literal["wall", "process"]


@dataclass(frozen=True)
class Budget:
    """How many seconds of training a run gets; validation, measurements and checkpoints do not count.

    Args:
        seconds: of training.
        clock: "wall" counts time that passes; "process" the processor's time for this process, of all its threads.
    """

    seconds: float
    clock: Clock = "wall"

    def now(self) -> float:
        """The clock, in seconds."""
        return time.perf_counter() if self.clock == "wall" else time.process_time()

    def scheduled(self, progress: Progress, spent: float) -> Progress:
        """Progress as a learning-rate schedule is to see it: as far as the larger of the epochs' and the time's share.

        So a schedule that ends with the run ends at the end of the budget.
        """
        share = min(1.0, spent / self.seconds)
        return replace(progress, position=max(progress.position, share * progress.num_epochs))
