"""Hours and minutes: when each epoch ended, and an end in time for the deadline."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from upt_core import Callback, Progress, hookimpl

if TYPE_CHECKING:
    from upt_core import Trainer


class WallClock(Callback):
    """Writes the time of day at which each epoch ended into ``wall_clock.csv``, and ends the run before a deadline.

    The run ends after the last epoch that leaves room for one more, with its usual checkpoint and test figures.

    Args:
        deadline: a date and time as ``2030-01-31 08:00``, in the machine's own time zone; None: there is none.

    Raises:
        ValueError: the deadline is no date and time.
    """

    def __init__(self, deadline: str | None = None) -> None:
        try:
            self._deadline = None if deadline is None else datetime.fromisoformat(deadline).timestamp()
        except ValueError:
            raise ValueError(
                f"deadline is {deadline!r}; write a date and a time, for example 2030-01-31 08:00"
            ) from None
        self._said = deadline
        self._path: Path | None = None
        self._began = time.time()

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Opens the file; a resumed run goes on with it."""
        self._path = run_dir / "wall_clock.csv"
        self._began = time.time()
        if not self._path.exists():
            self._path.write_text("epoch,ended,seconds\n", encoding="utf-8")

    @hookimpl
    def epoch_ended(self, trainer: Trainer, progress: Progress) -> None:
        """A line, and a look at the deadline."""
        now = time.time()
        lasted, self._began = now - self._began, now
        if self._path is not None:
            ended = datetime.fromtimestamp(now).isoformat(" ", "seconds")
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{progress.epoch + 1},{ended},{lasted:.3f}\n")
        if self._deadline is not None and now + lasted > self._deadline:
            trainer.control.stop(f"wall_clock: another epoch of {lasted:.0f} s would not end before {self._said}")
