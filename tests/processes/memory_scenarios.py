"""What processes find about their memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from upt_bench.measured_peak import STEP, peak_of
from upt_core import Experiment
from upt_core.commands import Means
from upt_core.processes import Processes

LARGE: dict[str, Any] = {
    "data": {"name": "burgers1d", "num_trajectories": 12, "points": 256, "num_times": 4},
    "model": {
        "latent": {"tokens": 16, "dim": 96},
        "encoder": {"name": "grid", "patch": 16, "depth": 2},
        "approximator": {"name": "transformer", "depth": 4},
        "decoder": {"name": "perceiver", "depth": 2},
    },
    "losses": {"forward": {"name": "forward"}},
    "sampler": {"name": "uniform", "num_queries": 64},
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
    "trainer": {"epochs": 1, "batch_size": 8, "optimizer": {"name": "adamw"}, "device": "cpu", "strategy": "fsdp"},
}
"""Weights are most of its memory."""


def sharded_peak(processes: Processes, folder: Path) -> int:
    """Bytes at the peak of this process's second step, by every allocation that the profiler writes down."""
    experiment = Experiment.from_dict(LARGE)
    prepared = experiment.prepare()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        built = experiment.build(prepared)
        batch = built.train[0]
        stepping = experiment.trainer(built, folder / "peak")._stepping
        built.bundle.train()
        stepping.together()
        stepping.update([batch], Means())
        stepping.update([batch], Means())
        with record_function(STEP):
            stepping.update([batch], Means())
        stepping.apart()
    trace = folder / f"trace{processes.rank}.json"
    profiler.export_chrome_trace(str(trace))
    return peak_of(json.loads(trace.read_text(encoding="utf-8"))["traceEvents"])
