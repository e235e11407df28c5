"""The picture of all tasks: the error of upt beside those of others, each after the same processor seconds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from upt_bench.quality.operators import OPERATORS
from upt_bench.quality.tables import is_result
from upt_bench.quality.tasks import TASKS
from upt_bench.results import Results

Row = dict[str, Any]
PANELS = {"one_step": "one step", "rollout_physical": "rollout to the end of the trajectory, physical"}


@dataclass(frozen=True)
class Drawn:
    """How the operators of one kind are drawn.

    Args:
        title: in the legend.
        operators: of which the one with the smallest mean counts.
        marker: shape.
        colour: of it.
    """

    title: str
    operators: tuple[str, ...]
    marker: str
    colour: str


KINDS = (
    Drawn("persistence", ("persistence",), "x", "#404040"),
    Drawn("FNO", ("fno", "fno-soap"), "o", "#1f6f8b"),
    Drawn("TFNO", ("tfno", "tfno-soap"), "v", "#5aa0b8"),
    Drawn("UNO", ("uno", "uno-soap"), "^", "#7a4fa3"),
    Drawn("U-Net", ("unet", "unet-soap"), "s", "#6b8e23"),
    Drawn("networks of APEBench", ("ape-fno", "ape-unet", "ape-resnet"), "P", "#a08030"),
    Drawn("upt", ("upt",), "D", "#e07a3f"),
)


def draw_standing(results: Results, out: Path) -> None:
    """Writes standing.png: a line for each task, a mark for each kind of operator, error from left to right."""
    rows = _longest(results.curves["quality"])
    tasks = [name for name in TASKS if any(row["task"] == name and row["operator"] == "upt" for row in rows)]
    if not tasks:
        return
    canvas = Canvas(figsize=(11.5, 1.3 + 0.42 * len(tasks)), layout="constrained")
    panels = canvas.subplots(1, len(PANELS), sharey=True)
    for axes, (figure, title) in zip(panels, PANELS.items(), strict=True):
        for place, task in enumerate(reversed(tasks)):
            for kind in KINDS:
                _mark(axes, place, kind, best([row for row in rows if row["task"] == task], kind, figure))
        axes.set(title=title, xscale="log", xlabel="relative L2 error; further left is better")
        axes.set_yticks(range(len(tasks)), [TASKS[name].title for name in reversed(tasks)])
        axes.grid(alpha=0.25, which="major")
    found = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    titles = [kind.title for kind in KINDS if kind.title in found]
    canvas.legend(
        [found[title] for title in titles], titles, loc="outside lower center", ncols=len(titles), frameon=False
    )
    canvas.savefig(out / "standing.png", dpi=120)


def best(rows: Sequence[Row], kind: Drawn, figure: str) -> list[float]:
    """The values of all seeds of the best of a kind's operators."""
    found = [
        [row[figure] for row in rows if row["operator"] == name and _known(row, figure)] for name in kind.operators
    ]
    return min((values for values in found if values), key=statistics.fmean, default=[])


def _known(row: Row, figure: str) -> bool:
    """Whether a row has the figure; a rollout of one step is that step once more."""
    once = figure.startswith("rollout") and row.get("horizon") == 1
    return isinstance(row.get(figure), (int, float)) and not once


def _longest(rows: Sequence[Row]) -> list[Row]:
    """The results at the longest budget of their task; what is not trained has no budget of its own."""
    found = [row for row in rows if is_result(row)]
    longest = {task: max(row["budget"] for row in found if row["task"] == task) for task in {r["task"] for r in found}}
    return [row for row in found if row["budget"] == longest[row["task"]] or not OPERATORS[row["operator"]].trained]


def _mark(axes: Any, place: int, kind: Drawn, values: Sequence[float]) -> None:
    if not values:
        return
    own = kind.title == "upt"
    axes.plot([min(values), max(values)], [place, place], color=kind.colour, linewidth=2)
    style = {
        "markersize": 8 if own else 6,
        "markerfacecolor": kind.colour if own else "none",
        "zorder": 3 if own else 2,
    }
    axes.plot(statistics.fmean(values), place, kind.marker, color=kind.colour, label=kind.title, linestyle="", **style)
