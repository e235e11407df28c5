"""``python -m upt_bench.measured_peak``: the peak memory of a training step, of an experiment given as JSON on stdin.

Meant for a fresh process. On CUDA the allocator counts (``max_memory_allocated``); on the host torch's profiler writes
down every allocation of its allocator and every release, with the total; kernels' own buffers are among them. From the
building of the model on everything counts, so that parameters, optimizer and batch are in the total.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from upt_core import Experiment
from upt_core.commands import Means

STEP = "the measured step"


def measured_peak(config: dict[str, Any]) -> int:
    """Bytes at the peak of the second step: by then the optimizer has its state."""
    torch.set_num_threads(1)
    experiment = Experiment.from_dict(config)
    prepared = experiment.prepare()
    if torch.device(config["trainer"].get("device", "cpu")).type == "cuda":
        return _on_cuda(experiment, prepared)
    with tempfile.TemporaryDirectory() as folder:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            _steps(experiment, prepared, Path(folder))
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        return peak_of(json.loads(trace.read_text(encoding="utf-8"))["traceEvents"])


def _steps(experiment: Experiment, prepared: Any, folder: Path) -> None:
    built = experiment.build(prepared)
    built.bundle.model.freeze(())
    batch = built.train[0]
    trainer = experiment.trainer(built, folder)
    built.bundle.train()
    trainer.update([batch], Means())
    with record_function(STEP):
        trainer.update([batch], Means())


def _on_cuda(experiment: Experiment, prepared: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        _steps(experiment, prepared, Path(folder))  # a peak of the first step is below that of the second
    return torch.cuda.max_memory_allocated()


def peak_of(events: list[dict[str, Any]]) -> int:
    """The most that was allocated during the step, of the profiler's trace of it and of all that came before."""
    step = next(event for event in events if event.get("name") == STEP and "dur" in event)
    first, last = step["ts"], step["ts"] + step["dur"]
    found = [e for e in events if e.get("name") == "[memory]" and first <= e["ts"] <= last]
    return max(int(event["args"]["Total Allocated"]) for event in found)


if __name__ == "__main__":
    print(measured_peak(json.load(sys.stdin)))
