"""The plots of the benchmark of quality: errors over the rollout, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from upt_bench.quality.operators import OPERATORS
from upt_bench.quality.tables import is_result
from upt_bench.quality.tasks import TASKS
from upt_bench.results import Results

COLOURS = {"upt": "#e07a3f", "fno": "#8a8a8a", "fno-soap": "#1f6f8b", "persistence": "#b0b0b0", "upt-adamw": "#7a4fa3"}
COLUMNS = 3


def draw_pictures(results: Results, out: Path) -> None:
    """Writes rollouts.png: the error at every time step of the first seed's rollouts."""
    rows = [row for row in results.curves["quality"] if is_result(row) and "rollout_physical_by_step" in row]
    tasks = [name for name in TASKS if any(row["task"] == name for row in rows)]
    if not tasks:
        return
    lines = -(-len(tasks) // COLUMNS)
    canvas = Canvas(figsize=(4.2 * min(COLUMNS, len(tasks)), 3.2 * lines), layout="constrained")
    for number, task in enumerate(tasks, start=1):
        axes = canvas.add_subplot(lines, min(COLUMNS, len(tasks)), number)
        _draw(axes, [row for row in rows if row["task"] == task and row["operator"] in COLOURS])
        axes.set(title=TASKS[task].title, xlabel="time step", ylabel="relative L2 error")
    canvas.savefig(out / "rollouts.png", dpi=110)


def _draw(axes: Any, rows: list[dict[str, Any]]) -> None:
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["operator"], row)
    for operator, row in first.items():
        for space, style in (("physical", "-"), ("latent", "--")):
            errors = row.get(f"rollout_{space}_by_step")
            if errors:
                title = OPERATORS[operator].title + (", latent" if space == "latent" else "")
                axes.semilogy(range(1, len(errors) + 1), errors, style, color=COLOURS[operator], label=title)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize="x-small")
