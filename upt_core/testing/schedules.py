"""Checks a schedule against the contract of ``upt_core.Schedule``; for its author's own tests."""

from __future__ import annotations

import copy
import math

import torch

from upt_core.kinds import Schedule
from upt_core.progress import Progress
from upt_core.testing.failure import answering, require, require_object

_STEPS = 7


def check_schedule(schedule: Schedule, *, low: float = -math.inf, high: float = math.inf) -> None:
    """Raises unless a schedule keeps the contract, in runs of 1, 3 and 100 epochs, from the first step past the last.

    Checked are: finite numbers (float, not tensors); that the value is a pure function of the progress, whatever was
    asked before and whichever process asks; the declared bounds.

    Args:
        schedule: the schedule.
        low: declares a least value.
        high: declares a greatest value.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_object(schedule)
    own, state = copy.deepcopy(schedule), torch.get_rng_state()
    moments = [moment for epochs in (1, 3, 100) for moment in _moments(epochs)]
    values = [_value(own, moment) for moment in moments]
    for moment, value in zip(moments, values, strict=True):
        require(
            low <= value <= high,
            "bounds",
            f"{value} at {moment}",
            f"a value from {low} to {high}, as declared",
            "clamp it: min(max(value, low), high)",
        )
    again = [_value(own, moment) for moment in reversed(moments)][::-1]
    require(
        values == again and torch.equal(state, torch.get_rng_state()),
        "pure function",
        "other values when the same progress is passed a second time, in reverse order",
        "a value that depends only on the progress, because a resumed run starts in the middle",
        "compute it from progress.position or progress.step; keep no counter and draw no random numbers",
    )
    ranks = [_value(own, Progress(m.epoch, m.num_epochs, m.step, m.position, rank=1)) for m in moments]
    require(
        values == ranks,
        "rank",
        "another value in the process of rank 1",
        "the same value in all processes that train together",
        "do not use progress.rank",
    )


def _moments(num_epochs: int) -> list[Progress]:
    """Some steps of some epochs, the end of the run, and an epoch after it."""
    epochs = sorted({0, 1, num_epochs // 3, num_epochs - 1, num_epochs, num_epochs + 1})
    return [
        Progress(epoch, num_epochs, epoch * _STEPS + step, epoch + step / _STEPS)
        for epoch in epochs
        for step in (0, 3, _STEPS - 1)
    ]


def _value(schedule: Schedule, progress: Progress) -> float:
    with answering(
        "call", f"at {progress}", "a value at every progress", "handle short runs, and progress after their end"
    ):
        value = schedule(progress)
    require(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        "number",
        f"{value!r} of type {type(value).__name__} at {progress}",
        "a finite float",
        "use math instead of torch, and guard divisions by a length of 0",
    )
    return float(value)
