"""APEBench's figure for a rollout: the geometric mean over time steps, which neither the first nor the last dominates."""

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
    tasks = [
        task for task in TASKS.values() if task.package == "apebench" and any(r["task"] == task.name for r in rows)
    ]
    lines = []
    for operator in OPERATORS.values():
        for space in ("physical", "latent"):
            own = [[r for r in rows if (r["task"], r["operator"]) == (task.name, operator.name)] for task in tasks]
            found = [geometric(of_task, space) for of_task in own]
            if any(found):
                title = f"{operator.title}, {space}" if operator.name == "upt" else operator.title
                lines.append([title, *(shown(values) for values in found)])
    return markdown(["operator", *(task.title.partition(",")[0] for task in tasks)], lines)


def geometric(rows: Sequence[Row], space: str) -> list[float]:
    """Of the mean relative errors after each of the first ``STEPS`` time steps, one number for each seed.

    Source: Koehler et al., "APEBench" (NeurIPS 2024), section 4: the geometric mean of the mean normalised error.
    """
    curves = [row.get(f"rollout_{space}_by_step", ())[:STEPS] for row in rows]
    return [statistics.geometric_mean(curve) for curve in curves if curve and min(curve) > 0]
