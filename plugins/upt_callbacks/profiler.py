"""Where the time and the memory of some steps go: a trace of torch's profiler."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import NonNegativeInt, PositiveInt

from upt_core import Callback, Trainer, hookimpl


class Profiler(Callback):
    """Records some steps with torch's profiler: ``profile.json`` (open it in https://ui.perfetto.dev) and a table.

    ``profile.txt`` lists the operations by their own time. On CUDA ``memory.pickle`` is a snapshot of the device's
    memory (open it in https://pytorch.org/memory_viz). Steps are slower while they are recorded.

    Args:
        skip: logged steps before the recording starts; the first steps are not typical.
        steps: logged steps that are recorded; set ``trainer.log_every: 1`` to count every step; 1 to 10.
    """

    def __init__(self, skip: NonNegativeInt = 2, steps: PositiveInt = 3) -> None:
        self._skip = skip
        self._steps = steps
        self._heard = 0
        self._run_dir = Path()
        self._on_cuda = False
        self._profile: torch.profiler.profile | None = None

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Begins at once where no steps are left out."""
        self._run_dir = run_dir
        if self._skip == 0:
            self._begin(trainer)

    @hookimpl
    def step_ended(self, trainer: Trainer) -> None:
        """Begins and ends the recording."""
        self._heard += 1
        if self._heard == self._skip:
            self._begin(trainer)
        if self._heard == self._skip + self._steps:
            self._end()

    @hookimpl
    def run_finished(self) -> None:
        """Ends a recording that is longer than the run."""
        self._end()

    @hookimpl
    def run_failed(self) -> None:
        """Keeps what was recorded before the run failed."""
        self._end()

    def _begin(self, trainer: Trainer) -> None:
        activities = [torch.profiler.ProfilerActivity.CPU]
        self._on_cuda = trainer.device.type == "cuda"
        if self._on_cuda:
            activities.append(torch.profiler.ProfilerActivity.CUDA)
            torch.cuda.memory._record_memory_history()
        self._profile = torch.profiler.profile(activities=activities, record_shapes=True, profile_memory=True)
        self._profile.start()

    def _end(self) -> None:
        profile, self._profile = self._profile, None
        if profile is None:
            return
        profile.stop()
        profile.export_chrome_trace(str(self._run_dir / "profile.json"))
        table = profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=40)
        (self._run_dir / "profile.txt").write_text(table, encoding="utf-8")
        if self._on_cuda:
            torch.cuda.memory._dump_snapshot(str(self._run_dir / "memory.pickle"))  # type: ignore[no-untyped-call]
            torch.cuda.memory._record_memory_history(enabled=None)
