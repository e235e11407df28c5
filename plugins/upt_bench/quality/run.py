"""All cells of a benchmark of quality, each in a process of its own; what is there already is not measured again."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

from upt_bench.environment import environment
from upt_bench.quality.cell import Cell, keep
from upt_bench.quality.pictures import draw_pictures
from upt_bench.quality.tables import figures
from upt_bench.results import Results
from upt_bench.setting import Setting


def run(cells: Sequence[Cell], setting: Setting, out: Path, jobs: int = 1) -> Results:
    """Measures the cells that have no file yet, and writes ``results.json`` and the plots of all that have one.

    Args:
        jobs: processes at once; each uses one thread, and only processor seconds count.
    """
    folder = out / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [cell for cell in cells if not (folder / cell.file).is_file()]
    if missing:
        before = environment(setting)
        for done, cell in enumerate(_measured(missing, folder, jobs), start=1):
            setting.say(f"{done} of {len(missing)}: {cell.task}, {cell.operator}, seed {cell.seed}")
        (out / "environment.json").write_text(json.dumps(before, indent=1) + "\n", encoding="utf-8")
    return collect(out)


def collect(out: Path) -> Results:
    """Results of every cell that has a file, with figures, plots and ``results.json``."""
    kept = out / "environment.json"
    results = Results(json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {})
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "cells").glob("*.json"))]
    results.curves["quality"] = rows
    results.figures = figures(results) if not results.environment.get("quick") else []
    results.save(out / "results.json")
    draw_pictures(results, out)
    return results


def _measured(cells: Sequence[Cell], folder: Path, jobs: int) -> Iterator[Cell]:
    """Cells in the order in which they are done."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        running: dict[Future[None], Cell] = {pool.submit(keep, cell, folder): cell for cell in cells}
        try:
            for future in as_completed(running):
                future.result()
                yield running[future]
        finally:
            pool.shutdown(cancel_futures=True)
