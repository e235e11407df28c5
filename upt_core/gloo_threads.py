"""Waiting until the threads that carry messages between processes have nothing left to do.

A thread of gloo lets go of what it has sent some time after the message has arrived. Letting go of a tensor of Python's
takes the interpreter's lock, which aborts the process once the interpreter has ended: a run that is finished would end
by SIGABRT (pytorch/pytorch#179291). Holding the tensors does not help, since their wrappers are counted, too; and the
threads live as long as anything, such as a divided model, knows their group.
"""

from __future__ import annotations

import time
from pathlib import Path

NAME = "pt_gloo_runloop"
"""Of the threads, as torch names them; the system keeps 15 characters."""
QUIET = 0.02
"""Seconds in which an idle thread does not wake. One that waits for the interpreter's lock wakes every 0.005."""
PAUSE = 0.2
"""Seconds to wait where the system does not tell what its threads do."""


def settle(patience: float = 10.0) -> None:
    """Returns when all threads of gloo wait for work, or after so many seconds; nothing may be sent meanwhile."""
    before = _wakes()
    if before is None:
        time.sleep(PAUSE)
        return
    until = time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(QUIET)
        now = _wakes()
        if now == before and None not in before.values():
            return
        before = now or {}


def _wakes() -> dict[str, str | None] | None:
    """How often each thread has slept and been stopped; None in its place: it runs, or would. None: not known here."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return None
    return {task.name: _wakes_of(task) for task in tasks.iterdir() if _read(task / "comm") == NAME}


def _wakes_of(task: Path) -> str | None:
    lines = _read(task / "status").splitlines()
    sleeps = any(line.startswith("State:\tS") for line in lines)
    return "\n".join(line for line in lines if "ctxt_switches" in line) if sleeps else None


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:  # the thread has ended
        return ""
