"""How a run goes, and where it stands: plain data for the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from upt_core.precision import Precision
from upt_core.progress import Progress
from upt_core.training.budget import Budget
from upt_core.training.saver import CheckpointPlan

OnNan = Literal["stop", "skip", "rewind"]


@dataclass(frozen=True)
class Plan:
    """How a run, or a stage of it, goes; see ``TrainerSettings`` and ``ValidationSettings`` for what each means.

    Args:
        stage: name of the stage; empty for a run without stages.
        epochs_before: epochs of the stages before; listeners count epochs and steps over the whole run.
        steps_before: batches of the stages before.
        epochs_of_run: epochs of all stages; None: this is the whole run.
    """

    epochs: int
    budget: Budget | None = None
    accumulate: int = 1
    clip_norm: float | None = 1.0
    precision: Precision = "fp32"
    ema: float | None = None
    workers: int = 0
    log_every: int = 10
    gradient_share_every: int = 0
    sampling_share_every: int = 0
    validate_every: int = 1
    patience: int | None = None
    monitor: str = ""
    lower_is_better: bool = True
    checkpoint: CheckpointPlan = field(default_factory=CheckpointPlan)
    max_seconds: float | None = None
    on_nan: OnNan = "stop"
    max_gradient_spike: float | None = None
    stage: str = ""
    epochs_before: int = 0
    steps_before: int = 0
    epochs_of_run: int | None = None

    def in_run(self, progress: Progress) -> Progress:
        """Progress counted over all stages of the run, for listeners."""
        return Progress(
            progress.epoch + self.epochs_before,
            self.epochs_of_run or self.epochs,
            progress.step + self.steps_before,
            progress.position + self.epochs_before,
            progress.rank,
        )


@dataclass
class State:
    """Where a run stands: everything that is neither weights nor optimizer.

    Args:
        step: batches seen.
        updates: optimizer steps done.
        best: best value of the monitored metric so far.
        best_epoch: the epoch of it, counted over the whole run.
        waited: validations since then.
        metrics: of the last validation.
        spent: seconds of training, where the run has a budget of them.
        skipped: optimizer steps that were not taken, because numbers were bad or the gradient was a spike.
        skipped_in_a_row: those since the last one that was taken.
        shares_at: the number of optimizer steps at which gradient shares were measured last.
        sampling_share_at: the same for the sampling share.
    """

    step: int = 0
    updates: int = 0
    best: float | None = None
    best_epoch: int | None = None
    waited: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    spent: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    shares_at: int = 0
    sampling_share_at: int = 0


def seconds_of(time: str) -> float:
    """A time such as "90s", "45m", "11.5h" or "2d" in seconds."""
    return float(time[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[time[-1]]
