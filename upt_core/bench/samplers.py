"""The benchmark of samplers: speed, variance, training, all in one run."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import torch

from upt_core.bench import (
    accuracy,
    alternatives,
    field_variance,
    flow_training,
    gradient_variance,
    grid_gradient,
    main_example,
    share,
    speed,
    waits,
)
from upt_core.bench.environment import environment
from upt_core.bench.pictures import draw_pictures
from upt_core.bench.results import Results
from upt_core.bench.setting import Setting

PARTS = (
    speed,
    waits,
    field_variance,
    gradient_variance,
    grid_gradient,
    alternatives,
    share,
    main_example,
    flow_training,
    accuracy,
)


def run(setting: Setting, out: Path) -> Results:
    """Measures everything, one thread on the host, and writes ``results.json`` and the plots into a folder."""
    threads, started = torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(1)
    try:
        results = Results(environment(setting))
        for part in PARTS:
            began = time.perf_counter()
            part.measure(setting, results)
            results.environment[f"seconds_{part.__name__.rpartition('.')[2]}"] = round(time.perf_counter() - began, 1)
    finally:
        torch.set_num_threads(threads)
    if setting.quick:
        results.figures = [replace(figure, goal=None) for figure in results.figures]
    results.environment["seconds"] = round(time.perf_counter() - started, 1)
    if hasattr(os, "getloadavg"):
        results.environment["load_at_the_end"] = [round(value, 2) for value in os.getloadavg()]
    out.mkdir(parents=True, exist_ok=True)
    results.save(out / "results.json")
    draw_pictures(results, out)
    return results
