"""What runs on the nodes: ``upt train … --resume`` in a process of its own, ended with a checkpoint before time is up.

submitit, started by the scheduler once for each process of the training, calls the job. At the scheduler's warning
(SIGUSR2) it asks the job for what shall run next: the training saves and ends, and the same job is queued again.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from submitit.helpers import DelayedSubmission, TorchDistributedEnvironment

SAVED = 128 + signal.SIGUSR1
"""Exit code of a training that saved its state at our signal."""


class Training:
    """A job that trains, and can be ended and queued again.

    Args:
        arguments: of ``upt train``: the configuration and its overrides.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = tuple(arguments)
        self._process = 0

    def __call__(self) -> None:
        """Trains until the end.

        Raises:
            RuntimeError: training failed; its own message is in the job's log.
        """
        environment = TorchDistributedEnvironment()
        if environment.world_size > 1:
            # which GPU is whose, upt says itself by LOCAL_RANK: all GPUs of the node stay visible
            environment.export(set_cuda_visible_devices=False, overwrite=True)
        command = [sys.executable, "-m", "upt_core", "train", *self.arguments, "--resume"]
        # Schedulers warn every process of a job; training hears of it from us, as SIGUSR1, and once.
        self._process = os.posix_spawn(sys.executable, command, os.environ, setsigmask=[signal.SIGUSR2])
        code = _ended(self._process)
        if code not in (0, SAVED) or (code == SAVED and environment.rank == 0):
            raise RuntimeError(f"training ended with exit code {code}; see the log above")

    def checkpoint(self) -> DelayedSubmission:
        """Ends training with its state saved, and gives what goes on with it; called within ``__call__``."""
        if self._process:
            os.kill(self._process, signal.SIGUSR1)
            _ended(self._process)
        return DelayedSubmission(Training(self.arguments))


def _ended(process: int) -> int:
    """The exit code of a child, when it has one; asked in a handler while the interrupted code asks, too."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
