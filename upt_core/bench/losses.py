"""The benchmark of losses: what they cost at fewer query points."""

from __future__ import annotations

from pathlib import Path

from upt_core.bench import loss_costs
from upt_core.bench.loss_pictures import draw_pictures
from upt_core.bench.results import Results
from upt_core.bench.run import run_parts
from upt_core.bench.setting import Setting


def run(setting: Setting, out: Path) -> Results:
    """Measures everything, and writes ``results.json`` and the plot into a folder."""
    return run_parts((loss_costs,), draw_pictures, setting, out)
