"""The plot of what neighbourhoods cost: seconds against the number of points."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure as Canvas

from upt_bench.results import Results


def draw_pictures(results: Results, out: Path) -> None:
    """Writes neighbours.png."""
    canvas = Canvas(figsize=(9, 4), layout="constrained")
    panels = {"supernode_steps": ("case", "a training step"), "neighbour_searches": ("way", "one search")}
    for axes, (curve, (name, title)) in zip(canvas.subplots(1, 2), panels.items(), strict=True):
        rows = results.curves[curve]
        for label in dict.fromkeys(row[name] for row in rows):
            own = [row for row in rows if row[name] == label]
            axes.plot([row["points"] for row in own], [row["seconds"] for row in own], "-o", markersize=4, label=label)
        axes.set(xlabel="points of a sample", ylabel="seconds", title=title, xscale="log", ylim=0)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize="small")
    canvas.savefig(out / "neighbours.png", dpi=130)
