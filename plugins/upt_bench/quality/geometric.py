"""APEBench's figure for a rollout: the geometric mean over time steps, so that neither end dominates."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from upt_bench.quality.operators import OPERATORS
from upt_bench.quality.tables import is_result, shown
from upt_bench.quality.tasks import TASKS
from upt_bench.results import Results
from upt_bench.table import markdown

Row = dict[str, Any]
STEPS = 100


def table(results: Results) -> str:
    """Operators as lines, APEBench's data sets as columns; rollouts of upt in both spaces."""
    rows = [row for row in results.curves["quality"] if is_result(row)]
    tasks = [task for task in TASKS.values() if task.package == "apebench"]
    tasks = [task for task in tasks if any(row["task"] == task.name for row in rows)]
    lines = []
    for operator in OPERATORS.values():
        for space in ("physical", "latent"):
            found = [geometric(_of(rows, task.name, operator.name), space) for task in tasks]
            if any(found):
                title = f"{operator.title}, {space}" if operator.name == "upt" else operator.title
                lines.append([title, *(shown(values) for values in found)])
    return markdown(["operator", *(task.title.partition(",")[0] for task in tasks)], lines)


def _of(rows: Sequence[Row], task: str, operator: str) -> list[Row]:
    return [row for row in rows if (row["task"], row["operator"]) == (task, operator)]


def geometric(rows: Sequence[Row], space: str) -> list[float]:
    """Of the mean relative errors after each of the first ``STEPS`` time steps, one number for each seed.

    Source: Koehler et al., "APEBench" (NeurIPS 2024), section 4: the geometric mean of the mean normalised error.
    """
    curves = [row.get(f"rollout_{space}_by_step", ())[:STEPS] for row in rows]
    return [statistics.geometric_mean(curve) for curve in curves if curve and min(curve) > 0]
