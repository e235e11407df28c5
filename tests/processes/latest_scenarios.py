"""Pictures of the validation while several processes train. See ``scenarios``."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from scenarios import BASE, FSDP, TASKS, raised_by, train, with_trainer

from upt_core import Experiment, hookimpl
from upt_core.processes import Processes
from upt_core.run import examples, pace

SHOWN: dict[str, dict[str, Any]] = {
    "ddp": with_trainer({}, epochs=1),
    "fsdp": with_trainer({"callbacks": [{"name": "gradient_stats", "every": 1}]}, epochs=1, **FSDP),
    "tasks": with_trainer(TASKS, epochs=1),
}
"""What is trained for an epoch, with examples of its one validation."""


class TakesTheName:
    """Makes a folder where the file is to be."""

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        (run_dir / "latest.npz").mkdir()


def latest(processes: Processes, folder: Path) -> dict[str, Any]:
    """What each process says where examples cannot be written, or one process cannot predict its own."""
    for name, changes in SHOWN.items():
        train(changes, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "PAUSE", 0.0)
        patch.setattr(pace, "SHARE", 1e9)
        no_file = _two_epochs(folder / "no-file", TakesTheName())
        if processes.rank == processes.size - 1:
            patch.setattr(examples, "_errors", _failing_twice())
        return {"no file": no_file, "no prediction": _two_epochs(folder / "no-prediction")}


def _failing_twice() -> Any:
    errors, left = examples._errors, [2]

    def fails(*arguments: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise OSError("the disk of this process is gone")
        return errors(*arguments)

    return fails


def _two_epochs(folder: Path, *listeners: object) -> dict[str, Any]:
    """What a process says in a run with two validations, and how it ends."""
    experiment = Experiment.from_dict({**BASE, **with_trainer({}, epochs=2), "output": str(folder)})
    told = io.StringIO()
    with redirect_stderr(told):
        ended = raised_by(lambda: experiment.train(listeners=listeners))
    return {"said": told.getvalue(), "ended": ended}
