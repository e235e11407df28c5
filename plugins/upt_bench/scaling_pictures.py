"""The plot of how the cost of a step grows."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure as Canvas

from upt_bench.results import Results
from upt_bench.scaling import NAMES


def draw_pictures(results: Results, out: Path) -> None:
    """Writes scaling.png: seconds of a step against N, Q and L; dashed: in proportion."""
    canvas = Canvas(figsize=(11, 3.6), layout="constrained")
    for axes, (axis, name) in zip(canvas.subplots(1, len(NAMES), sharey=True), NAMES.items(), strict=True):
        rows = [row for row in results.curves["scaling"] if row["axis"] == axis]
        sizes, seconds = [row[axis] for row in rows], [row["seconds"] for row in rows]
        axes.loglog(sizes, seconds, "-o", color="#1f6f8b", markersize=4)
        axes.loglog(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], "--", color="#8a8a8a")
        axes.set(xlabel=f"{name} {axis}", title=f"a step against {name}")
        axes.grid(alpha=0.25)
    canvas.axes[0].set_ylabel("seconds")
    canvas.savefig(out / "scaling.png", dpi=130)
