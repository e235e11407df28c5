"""The plot of what losses cost: time of a step and memory against the share of points."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure as Canvas

from upt_bench.results import Results

COLOURS = ("#1f6f8b", "#e07a3f", "#7a4fa3", "#8a8a8a", "#b03a48")


def draw_pictures(results: Results, out: Path) -> None:
    """Writes costs.png."""
    rows = results.curves["loss_costs"]
    canvas = Canvas(figsize=(9, 4), layout="constrained")
    left, right = canvas.subplots(1, 2)
    for name, colour in zip(dict.fromkeys(row["losses"] for row in rows), COLOURS, strict=True):
        own = [row for row in rows if row["losses"] == name]
        share = [100 * row["ratio"] for row in own]
        left.plot(share, [row["seconds"] for row in own], "-o", markersize=4, color=colour, label=name)
        right.plot(share, [row["mib_fp32"] for row in own], "-o", markersize=4, color=colour)
        right.plot(share, [row["mib_bf16"] for row in own], "--", color=colour)
    left.set(xlabel="query points, % of all", ylabel="seconds", title="a training step", ylim=0)
    right.set(xlabel="query points, % of all", ylabel="MiB", title="kept for backward (dashed: bf16)", ylim=0)
    for axes in (left, right):
        axes.grid(alpha=0.25)
    left.legend(frameon=False, fontsize="small")
    canvas.savefig(out / "costs.png", dpi=130)
