"""The benchmark of ``inverse_decoding``: what its readings cost, and which of them trains best."""

from __future__ import annotations

from pathlib import Path

from upt_bench import inverse_costs, inverse_training
from upt_bench.results import Results
from upt_bench.run import run_parts
from upt_bench.setting import Setting


def run(setting: Setting, out: Path) -> Results:
    """Measures everything, and writes ``results.json`` into a folder."""
    return run_parts((inverse_training, inverse_costs), lambda results, folder: None, setting, out)
