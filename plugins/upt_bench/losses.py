"""The benchmark of losses: what they cost at fewer query points."""

from __future__ import annotations

from pathlib import Path

from upt_bench import loss_costs
from upt_bench.loss_pictures import draw_pictures
from upt_bench.results import Results
from upt_bench.run import run_parts
from upt_bench.setting import Setting


def run(setting: Setting, out: Path) -> Results:
    """Measures everything, and writes ``results.json`` and the plot into a folder."""
    return run_parts((loss_costs,), draw_pictures, setting, out)
