"""A finished run ends well although the threads of gloo are late, on a machine with too much to do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from upt_core import gloo_threads

PROGRAM = """\
import os
from pathlib import Path
import torch
import torch.distributed as dist
from upt_core.processes import joined

with joined() as processes:
    processes.wait()
    for task in Path("/proc/self/task").iterdir():
        if "gloo" in (task / "comm").read_text():
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))
    for _ in range(3):
        dist.all_reduce(torch.ones(1000))
        processes.of_all("message")
    known = dist.group.WORLD, processes
"""
"""What is known at the end keeps the threads alive; they run only when nothing else would."""


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="needs Linux's idle scheduling")
def test_a_finished_process_is_not_aborted_by_a_late_thread(tmp_path: Path) -> None:
    """Without waiting for them, 5 of 8 such programs were aborted."""
    (tmp_path / "program.py").write_text(PROGRAM)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "program.py"],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell what its threads do")
def test_threads_are_waited_for_while_they_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any thread of the given name counts: here one of Python's, which works for a while, then sleeps."""
    ends, stop = threading.Event(), threading.Event()
    names: list[str] = []

    def works() -> None:
        task = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
        task.write_text("late")
        names.append("late")
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            pass
        ends.set()
        stop.wait()

    monkeypatch.setattr(gloo_threads, "NAME", "late")
    thread = threading.Thread(target=works)
    thread.start()
    while not names:
        time.sleep(0.001)
    gloo_threads.settle()
    assert ends.is_set()
    gloo_threads.settle()
    ends.clear()
    stop.set()
    thread.join()
    gloo_threads.settle()


def test_a_system_that_tells_nothing_is_given_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gloo_threads, "_wakes", lambda: None)
    began = time.monotonic()
    gloo_threads.settle()
    assert time.monotonic() - began >= gloo_threads.PAUSE


def test_a_thread_that_never_rests_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gloo_threads, "_wakes", lambda: {"1": None})
    began = time.monotonic()
    gloo_threads.settle(patience=0.1)
    assert time.monotonic() - began >= 0.1
