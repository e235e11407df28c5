"""The benchmark of samplers: speed, variance, training, all in one run."""

from __future__ import annotations

from pathlib import Path

from upt_bench import (
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
from upt_bench.pictures import draw_pictures
from upt_bench.results import Results
from upt_bench.run import run_parts
from upt_bench.setting import Setting

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
    """Measures everything, and writes ``results.json`` and the plots into a folder."""
    return run_parts(PARTS, draw_pictures, setting, out)
