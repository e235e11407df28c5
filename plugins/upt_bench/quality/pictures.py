"""The plots of the benchmark of quality: errors over the rollout, operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from upt_bench.quality.operators import OPERATORS
from upt_bench.quality.standing import draw_standing
from upt_bench.quality.tables import is_result
from upt_bench.quality.tasks import TASKS
from upt_bench.results import Results

COLOURS = {
    "upt": "#e07a3f",
    "fno": "#8a8a8a",
    "fno-soap": "#1f6f8b",
    "unet": "#4f9a4f",
    "ape-fno": "#b0457b",
    "persistence": "#404040",
    "upt-adamw": "#7a4fa3",
}
COLUMNS = 3
Row = dict[str, Any]


def draw_pictures(results: Results, out: Path) -> None:
    """Writes standing.png, and rollouts.png: the error at every time step of the first seed's rollouts."""
    draw_standing(results, out)
    rows = rolled_out(results.curves["quality"])
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


def rolled_out(rows: Sequence[Row]) -> list[Row]:
    """Results with rollouts of several time steps, at the longest budget of their task."""
    found = [row for row in rows if is_result(row) and len(row.get("rollout_physical_by_step", ())) > 1]
    longest = {row["task"]: max(one["budget"] for one in found if one["task"] == row["task"]) for row in found}
    return [row for row in found if row["budget"] == longest[row["task"]]]


def _draw(axes: Any, rows: list[Row]) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["operator"], row)
    for operator, row in first.items():
        for space, style in (("physical", "-"), ("latent", "--")):
            errors = row.get(f"rollout_{space}_by_step")
            if errors:
                title = OPERATORS[operator].title + (", latent" if space == "latent" else "")
                style = ":" if operator == "persistence" else style
                axes.semilogy(range(1, len(errors) + 1), errors, style, color=COLOURS[operator], label=title)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize="x-small")
